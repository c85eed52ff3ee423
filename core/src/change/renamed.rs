//! Documents that got another key.

use serde_json::{Map, Value};
use std::collections::{BTreeSet, HashMap};

/// Among so many pairs of a document that is gone and one that is new, those that are nearly the same are looked for.
const MAX_PAIRS: usize = 10_000;

/// Pairs of a document that is gone and a new one, by index, of the same kind and with nearly the same fields.
/// Equal bodies are found first, so that a copy is not taken for what was only like it.
pub(super) fn pairs(kind: &str, gone: &[&Value], new: &[&Value]) -> Vec<(usize, usize)> {
    let mut by_body: HashMap<String, Vec<usize>> = HashMap::new();
    for (at, document) in new.iter().enumerate().rev() {
        by_body.entry(body(kind, document).to_string()).or_default().push(at);
    }
    let equal = |(at, document): (usize, &&Value)| {
        Some((at, by_body.get_mut(&body(kind, document).to_string())?.pop()?))
    };
    let mut pairs: Vec<(usize, usize)> = gone.iter().enumerate().filter_map(equal).collect();
    let left = |count: usize, taken: BTreeSet<usize>| -> Vec<usize> {
        (0..count).filter(|at| !taken.contains(at)).collect()
    };
    let gone_left = left(gone.len(), pairs.iter().map(|pair| pair.0).collect());
    let mut new_left = left(new.len(), pairs.iter().map(|pair| pair.1).collect());
    if gone_left.len() * new_left.len() > MAX_PAIRS {
        return pairs;
    }
    let leaves_of = |at: usize, list: &[&Value]| {
        list.get(at).map(|document| leaves(&body(kind, document))).unwrap_or_default()
    };
    let leaves_of_new: HashMap<usize, BTreeSet<String>> =
        new_left.iter().map(|at| (*at, leaves_of(*at, new))).collect();
    for at in gone_left {
        let old = leaves_of(at, gone);
        let near = |other: &&usize| leaves_of_new.get(*other).is_some_and(|it| is_near(&old, it));
        if let Some(other) = new_left.iter().find(near).copied() {
            new_left.retain(|it| *it != other);
            pairs.push((at, other));
        }
    }
    pairs
}

/// A document without what tells it apart from a copy.
fn body(kind: &str, document: &Value) -> Value {
    let told_apart = [kind, "salt", "description"];
    let fields = document.as_object().into_iter().flatten();
    let kept = fields.filter(|(name, _)| !told_apart.contains(&name.as_str()));
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>())
}

/// Every single value with its path.
fn leaves(value: &Value) -> BTreeSet<String> {
    fn collect(path: &str, value: &Value, leaves: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                map.iter().for_each(|(name, it)| collect(&format!("{path}.{name}"), it, leaves));
            }
            Value::Array(list) => {
                list.iter().enumerate().for_each(|(at, it)| collect(&format!("{path}[{at}]"), it, leaves));
            }
            _ => {
                leaves.insert(format!("{path}={value}"));
            }
        }
    }
    let mut found = BTreeSet::new();
    collect("", value, &mut found);
    found
}

/// Returns true if at least three of four values are the same, and there are enough values to tell: half of
/// all flags are `enabled: true` and little else.
fn is_near(old: &BTreeSet<String>, new: &BTreeSet<String>) -> bool {
    let shared = old.intersection(new).count();
    let all = old.len() + new.len() - shared;
    shared >= 5 && shared * 4 >= all * 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn experiment(key: &str, share: f64) -> Value {
        json!({"experiment": key, "status": "active", "owner": "a", "traffic_allocation": share, "variants": [
            {"key": "a", "allocation": 0.5}, {"key": "b", "allocation": 0.5},
        ]})
    }

    #[test]
    fn a_copy_is_found_before_what_is_like_it() {
        let gone = [&experiment("old", 1.0), &experiment("other", 0.5)];
        let new = [&experiment("x", 0.9), &experiment("y", 1.0), &json!({"experiment": "z"})];
        assert_eq!(pairs("experiment", &gone, &new), [(0, 1), (1, 0)]);
    }

    #[test]
    fn two_small_documents_are_not_near() {
        let flag = |key: &str, on: i32| json!({"flag": key, "enabled": true, "rollout_percentage": on});
        assert_eq!(pairs("flag", &[&flag("a", 10)], &[&flag("b", 20)]), []);
        assert_eq!(pairs("flag", &[&flag("a", 10)], &[&flag("b", 10)]), [(0, 0)]);
    }
}
