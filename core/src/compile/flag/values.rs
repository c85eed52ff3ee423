//! The values of a flag's variants.

use crate::decide::{FlagVariant, Number};
use serde_json::Value;

/// Gives the numbers of a flag one kind: beside 0.5, 1 becomes 1.0, and is sent so, because clients with types take integers
/// and floats apart. An integer that no double equals stays what it is.
pub(super) fn unify_numbers(variants: &mut [FlagVariant]) {
    let is_float = |it: &FlagVariant| it.value.as_number().is_some_and(serde_json::Number::is_f64);
    if !variants.iter().any(is_float) {
        return;
    }
    for variant in variants {
        let Value::Number(number) = &variant.value else { continue };
        let exact = Number::of(number);
        let float = exact.as_float();
        if exact.compare(Number::Float(float)).is_eq() {
            variant.value = float.into();
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::read_and_compile;
    use serde_json::{Value, json};

    fn values(written: &[Value]) -> String {
        let key = |index: usize| format!("v{index}");
        let variants: Vec<Value> =
            written.iter().enumerate().map(|(at, value)| json!({"key": key(at), "value": value})).collect();
        let flag = json!({"flag": "f", "enabled": true, "default_variant": "v0", "variants": variants,
            "rules": [{"serve": "v0"}]});
        let compilation = read_and_compile([&flag]);
        let flag = compilation.catalog.flag("f").unwrap_or_else(|| panic!("{:?}", compilation.findings));
        let values: Vec<&Value> = flag.variants().iter().map(|it| &it.value).collect();
        serde_json::to_string(&values).unwrap()
    }

    #[test]
    fn numbers_of_one_flag_have_one_kind_on_the_wire() {
        for (written, expected) in [
            (json!([0.5, 1]), "[0.5,1.0]"),
            (json!([1, 2]), "[1,2]"),
            (json!([1.0, 2]), "[1.0,2.0]"),
            (json!([0, -1, 0.25]), "[0.0,-1.0,0.25]"),
            // No double is this integer: its value counts more than its kind.
            (json!([0.5, 9_007_199_254_740_993_i64]), "[0.5,9007199254740993]"),
            (json!([{"rate": 1}, {"rate": 0.5}]), r#"[{"rate":1},{"rate":0.5}]"#),
            (json!(["1", "0.5"]), r#"["1","0.5"]"#),
        ] {
            assert_eq!(values(written.as_array().unwrap()), expected);
        }
    }
}
