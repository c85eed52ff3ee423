//! A program over generated code.
#![deny(warnings)]

pub mod abx;
pub mod nasty;

#[cfg(feature = "misspelt")]
pub async fn misspelt(flags: abx::Flags<'_>) -> bool {
    flags.new_navigaton(None).await
}

#[cfg(test)]
mod tests {
    use super::{abx, nasty};
    use serde_json::{Value, json};

    /// A client without a provider: all answers are defaults.
    #[tokio::test]
    async fn defaults_are_those_of_the_documents() {
        let client = open_feature::OpenFeature::singleton().await.create_client();
        let flags = abx::Flags::new(&client);
        let is_new: bool = flags.new_navigation(None).await;
        assert!(!is_new);
        assert_eq!(flags.upload_limit_mb(None).await, 10);
        assert_eq!(flags.payment_settings(None).await.provider, "nordpay");
        let flags = nasty::Flags::new(&client);
        assert_eq!(flags.hash_code(None).await, "*/ \"\"\" \\ \n \u{2028} \\u0022 ${x} \u{1f600}");
        let full = json!({
            "limit": 2, "name": null, "list": [{"x": 1, "y": "*/"}, null], "mixed": [], "rate": 0.25, "empty": {},
            "a\"b": 1, "deep": {"er": {"still": [[1], [2, 3]]}},
        });
        let written = serde_json::to_value(flags.str(None).await).unwrap();
        let without_null = |value: Value| {
            let Value::Object(map) = value else { panic!("an object") };
            map.into_iter().filter(|(_, value)| !value.is_null()).collect::<Value>()
        };
        assert_eq!(without_null(written), without_null(full));
        let described = json!({"either": {"x": 1}, "maybe": null, "nothing": null, "mode": "a", "large": 9_007_199_254_740_993_i64});
        assert_eq!(serde_json::to_value(flags.described(None).await).unwrap(), described);
    }

    #[test]
    fn variants_and_payloads_are_read_from_json() {
        assert_eq!(abx::ExperimentKey::CheckoutRedesign.as_str(), "checkout_redesign");
        let variant: abx::CheckoutRedesignVariant = serde_json::from_value(json!("redesign")).unwrap();
        assert_eq!(variant, abx::CheckoutRedesignVariant::Redesign);
        let payload: abx::CheckoutRedesignPayload =
            serde_json::from_value(json!({"layout": "steps", "express_buttons": false})).unwrap();
        assert!(!payload.express_buttons);
        for (payload, is_text) in [(json!("a text"), true), (json!({"type": "t", "Type": [1, null]}), false)] {
            let read: Result<nasty::ClassPayload, _> = serde_json::from_value(payload);
            assert_eq!(matches!(read, Ok(nasty::ClassPayload::Text(_))), is_text);
        }
    }
}
