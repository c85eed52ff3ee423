//! The name of a shard.

use std::fmt;

/// The name of a shard, as `stream/shard`: the text that batches, heads and the archive have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShardName<'a> {
    /// The stream; it has no `/`.
    pub stream: &'a str,
    /// The shard in it.
    pub shard: &'a str,
}

impl<'a> ShardName<'a> {
    /// Takes a name apart. `None` for what names no stream.
    #[must_use]
    pub fn read(text: &'a str) -> Option<Self> {
        let (stream, shard) = text.split_once('/')?;
        Some(Self { stream, shard })
    }
}

impl fmt::Display for ShardName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, shard } = self;
        write!(f, "{stream}/{shard}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_written() {
        let name = ShardName { stream: "s", shard: "of/slashes" };
        assert_eq!(name.to_string(), "s/of/slashes");
        assert_eq!(ShardName::read("s/of/slashes"), Some(name));
        assert_eq!(ShardName::read("shardId-000000000001"), None);
    }
}
