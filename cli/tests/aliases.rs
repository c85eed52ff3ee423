//! YAML with anchors and aliases wherever a scalar may stand, as the name of a field too: no entry is lost or shifted,
//! by what was written and by another reader of YAML.
#![expect(clippy::indexing_slicing, reason = "a test that cannot run has failed")]

use proptest::prelude::*;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// A document without anchors.
#[derive(Debug, Clone)]
enum Node {
    Text(usize),
    List(Vec<Node>),
    Map(Vec<(usize, Node)>),
}

/// The possible texts of scalars; few, so that many can be aliases of others.
const TEXTS: [&str; 7] = ["a", "b", "user_2", "x y", "7up", "é", "a.b"];

fn node() -> impl Strategy<Value = Node> {
    let leaf = (0..TEXTS.len()).prop_map(Node::Text);
    leaf.prop_recursive(4, 40, 5, |inner| {
        let entries = prop::collection::btree_map(0..TEXTS.len(), inner.clone(), 1..5);
        prop_oneof![
            prop::collection::vec(inner, 1..4).prop_map(Node::List),
            entries.prop_map(|it| Node::Map(it.into_iter().collect())),
        ]
    })
}

impl Node {
    fn value(&self) -> Value {
        match self {
            Self::Text(at) => TEXTS[*at].into(),
            Self::List(items) => items.iter().map(Self::value).collect(),
            Self::Map(fields) => Value::Object(
                fields.iter().map(|(at, it)| (TEXTS[*at].to_owned(), it.value())).collect::<Map<_, _>>(),
            ),
        }
    }
}

/// Writes a document, with anchors and aliases as some choices say.
struct Writer<'c> {
    choices: std::iter::Cycle<std::slice::Iter<'c, u8>>,
    /// The texts that have an anchor; it is called by its number.
    anchored: Vec<usize>,
    yaml: String,
}

impl Writer<'_> {
    fn chooses(&mut self, of: u8) -> bool {
        self.choices.next().is_some_and(|it| it % of == 0)
    }

    /// A scalar, or an alias of an equal one; `after` is what must follow it.
    fn scalar(&mut self, at: usize, after: &str) {
        if let Some(anchor) = self.anchored.iter().position(|it| *it == at).filter(|_| self.chooses(2)) {
            // A colon could be part of the anchor's name.
            let space = if after.is_empty() { "" } else { " " };
            let _ = write!(self.yaml, "*t{anchor}{space}{after}");
            return;
        }
        if self.chooses(3) {
            let _ = write!(self.yaml, "&t{} ", self.anchored.len());
            self.anchored.push(at);
        }
        let text = TEXTS[at];
        let quoted = match self.choices.next() {
            Some(it) if it % 4 == 0 => format!("{text:?}"),
            Some(it) if it % 4 == 1 => format!("'{text}'"),
            _ => text.to_owned(),
        };
        self.yaml += &(quoted + after);
    }

    fn flow(&mut self, node: &Node) {
        match node {
            Node::Text(at) => self.scalar(*at, ""),
            Node::List(items) => {
                self.yaml.push('[');
                for item in items {
                    self.flow(item);
                    self.yaml += ", ";
                }
                self.yaml.push(']');
            }
            Node::Map(fields) => {
                self.yaml.push('{');
                for (name, value) in fields {
                    self.scalar(*name, ": ");
                    self.flow(value);
                    self.yaml += ", ";
                }
                self.yaml.push('}');
            }
        }
    }

    /// A list or mapping in lines of their own, each after so many spaces.
    fn block(&mut self, node: &Node, depth: usize) {
        let line = format!("\n{}", "  ".repeat(depth));
        match node {
            Node::Text(_) => self.flow(node),
            Node::List(items) => {
                for item in items {
                    self.yaml += &(line.clone() + "- ");
                    self.inside(item, depth + 1);
                }
            }
            Node::Map(fields) => {
                for (name, value) in fields {
                    self.yaml += &line;
                    let is_explicit = self.chooses(5);
                    if is_explicit {
                        self.yaml += "? ";
                    }
                    self.scalar(*name, if is_explicit { "" } else { ": " });
                    if is_explicit {
                        self.yaml += &(line.clone() + ": ");
                    }
                    self.inside(value, depth + 1);
                }
            }
        }
    }

    fn inside(&mut self, node: &Node, depth: usize) {
        if matches!(node, Node::Text(_)) || self.chooses(3) {
            self.flow(node);
        } else {
            self.block(node, depth);
        }
    }
}

/// Entries of mappings and items of lists, all the way down.
fn entries(value: &Value) -> usize {
    match value {
        Value::Array(items) => items.len() + items.iter().map(entries).sum::<usize>(),
        Value::Object(fields) => fields.len() + fields.values().map(entries).sum::<usize>(),
        _ => 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_entry_is_lost_or_shifted(node in node(), choices in prop::collection::vec(any::<u8>(), 1..64)) {
        let mut writer = Writer { choices: choices.iter().cycle(), anchored: Vec::new(), yaml: String::new() };
        writer.block(&node, 0);
        let yaml = writer.yaml + "\n";
        let parsed = abx_cli::source::parse(&yaml);
        prop_assert_eq!(&parsed.faults, &[], "{}", yaml);
        let read = parsed.documents.first().map(|it| it.0.clone()).unwrap_or_default();
        prop_assert_eq!(entries(&read), entries(&node.value()), "{}", yaml);
        prop_assert_eq!(&read, &node.value(), "{}", yaml);
        let other: Value = serde_saphyr::from_str(&yaml).map_err(|it| TestCaseError::fail(format!("{it}\n{yaml}")))?;
        prop_assert_eq!(&read, &other, "{}", yaml);
    }
}
