//! Enums whose variants are words: in documents, reports, logs, rows and metrics.

/// Declares an enum of which each variant has a word, once: `Variant = "word"`. It gets the list of its variants, the
/// word of each and the variant of a word, and is displayed and serialized as its word.
#[macro_export]
macro_rules! words {
    ($(#[$attribute:meta])* $visibility:vis enum $name:ident {
        $($(#[$variant_attribute:meta])* $variant:ident = $word:literal,)*
    }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
        $visibility enum $name { $($(#[$variant_attribute])* #[serde(rename = $word)] $variant,)* }

        impl $name {
            /// Every variant, in the order of the declaration.
            $visibility const ALL: [Self; [$($word),*].len()] = [$(Self::$variant),*];

            /// The word.
            #[must_use]
            $visibility const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
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
    crate::words! {
        /// A direction.
        enum Side {
            /// Left.
            Left = "left-hand",
            /// Right.
            Right = "right-hand",
        }
    }

    #[test]
    fn each_variant_is_its_word() {
        assert_eq!(Side::ALL, [Side::Left, Side::Right]);
        for side in Side::ALL {
            assert_eq!(Side::of_word(side.as_str()), Some(side));
            assert_eq!(serde_json::to_value(side).unwrap(), side.as_str());
            assert_eq!(format!("{side:>12}"), format!("{:>12}", side.as_str()));
        }
        assert_eq!(Side::of_word("Left"), None);
    }
}
