//! Enums whose variants are words: in documents, reports, logs, rows and metrics.

/// Declares an enum of which each variant has a word: that of its name in the case that the enum states, such as
/// `"snake_case"`, or the one that is written beside it (`Variant = "word"`). It gets the list of its variants, the word of
/// each and the variant of a word, and is displayed and serialized as its word.
#[macro_export]
macro_rules! words {
    ($(#[$attribute:meta])* $visibility:vis enum $name:ident: $case:literal {
        $($(#[$variant_attribute:meta])* $variant:ident $(= $word:literal)?,)*
    }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, strum::IntoStaticStr)]
        #[serde(rename_all = $case)]
        #[strum(serialize_all = $case)]
        $visibility enum $name {
            $($(#[$variant_attribute])* $(#[serde(rename = $word)] #[strum(serialize = $word)])? $variant,)*
        }

        impl $name {
            /// Every variant, in the order of the declaration.
            $visibility const ALL: [Self; [$(stringify!($variant)),*].len()] = [$(Self::$variant),*];

            /// The word.
            #[must_use]
            $visibility fn as_str(self) -> &'static str {
                self.into()
            }

            /// The variant of a word; `None` for another text.
            #[must_use]
            $visibility fn of_word(word: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|it| it.as_str() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

#[cfg(test)]
mod tests {
    use crate::decide::{FlagReason, OpenFeatureReason, Reason, Stage};
    use crate::event::{RecordClass, RejectionReason, StreamCounter};
    use crate::hash::Purpose;

    crate::words! {
        /// A direction.
        enum Side: "kebab-case" {
            /// Left.
            LeftHand,
            /// Right.
            Right = "the other",
        }
    }

    #[test]
    fn each_variant_is_its_word() {
        assert_eq!(Side::ALL, [Side::LeftHand, Side::Right]);
        assert_eq!(Side::ALL.map(Side::as_str), ["left-hand", "the other"]);
        for side in Side::ALL {
            assert_eq!(Side::of_word(side.as_str()), Some(side));
            assert_eq!(serde_json::to_value(side).unwrap(), side.as_str());
            assert_eq!(format!("{side:>12}"), format!("{:>12}", side.as_str()));
        }
        assert_eq!(Side::of_word("LeftHand"), None);
    }

    /// The words that others read are frozen, whatever the variants are called.
    #[test]
    fn the_words_of_the_api_stay() {
        for (words, frozen) in [
            (
                Reason::ALL.map(Reason::as_str).join(" "),
                "unit_missing not_active winner override holdout pinned other_in_layer targeting \
                 traffic assigned",
            ),
            (
                FlagReason::ALL.map(FlagReason::as_str).join(" "),
                "flag_not_found flag_disabled prerequisite override rule targeting_rules_not_met \
                 unit_missing enabled not_in_rollout default",
            ),
            (
                OpenFeatureReason::ALL.map(OpenFeatureReason::as_str).join(" "),
                "STATIC TARGETING_MATCH SPLIT DISABLED DEFAULT ERROR",
            ),
            (
                Stage::ALL.map(Stage::as_str).join(" "),
                "unit status override holdout pin layer targeting traffic variant enabled \
                 prerequisite rule rollout default",
            ),
            (Purpose::ALL.map(Purpose::as_str).join(" "), "traffic variant rollout layer holdout"),
            (
                RecordClass::ALL.map(RecordClass::as_str).join(" "),
                "counted duplicate already_counted late unattributed unknown_event rejected",
            ),
            (
                RejectionReason::ALL.map(RejectionReason::as_str).join(" "),
                "no_position not_base64 too_large not_utf8 not_json wrong_type missing_field \
                 invalid_value unknown_type invalid_time too_many_rows refused_by_store panicked",
            ),
            (
                StreamCounter::ALL.map(StreamCounter::as_str).join(" "),
                "accepted duplicates late unattributed unused misrouted outside_id_window evaluations",
            ),
        ] {
            assert_eq!(words, frozen);
        }
    }
}
