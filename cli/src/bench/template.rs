//! Texts that differ from request to request.

/// The place of a unit in a text.
const UNIT: &str = "{unit}";

/// A text with the place of a unit as it is written today: earlier versions wrote `{user}`.
pub(super) fn with_units(text: &str) -> String {
    text.replace("{user}", UNIT)
}

/// A text with `{unit}` in it, or without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    /// The texts between the units.
    parts: Vec<String>,
}

impl Template {
    pub(super) fn new(text: &str) -> Self {
        Self { parts: text.split(UNIT).map(str::to_owned).collect() }
    }

    /// True if the text is another one for another user.
    pub(super) fn varies(&self) -> bool {
        self.parts.len() > 1
    }

    /// The text for a user.
    pub(super) fn render(&self, user: u64) -> String {
        self.parts.join(&format!("user_{user}"))
    }
}

/// The user of a request, 0 to `count - 1`: the same in each run, and in no order. In an order, a cache that is a little too small would never hit.
pub(super) fn user(request: u64, count: u64) -> u64 {
    // The mixing function of splitmix64 (Steele, Lea and Flood, 2014).
    let mut mixed = request.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)) % count.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_gets_the_user() {
        let template = Template::new("/assign?user_id={unit}&again={unit}");
        assert!(template.varies());
        assert_eq!(template.render(7), "/assign?user_id=user_7&again=user_7");
        let constant = Template::new("/{users}");
        assert!(!constant.varies());
        assert_eq!(constant.render(7), "/{users}");
    }

    #[test]
    fn users_are_spread_evenly() {
        let mut seen = [0_u32; 100];
        for request in 0..100_000 {
            seen[usize::try_from(user(request, 100)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| (800..1200).contains(count)), "{seen:?}");
        assert_eq!(user(5, 0), 0);
    }
}
