//! Every finding code, with its severity and explanation. Codes are part of the API: they are added, never
//! renamed.

use super::Severity;
use Severity::{Error, Warning};

macro_rules! codes {
    ($($variant:ident $severity:ident $summary:literal $explanation:literal;)*) => {
        $crate::words! {
            /// The kind of problem: a stable word in kebab-case. They are in the order in which documents are
            /// checked.
            #[derive(schemars::JsonSchema)]
            pub enum Code: "kebab-case" { $(#[doc = $summary] $variant,)* }
        }

        impl Code {
            /// The severity of a finding of this code.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => $severity,)* }
            }

            /// The meaning, in a few words.
            #[must_use]
            pub const fn summary(self) -> &'static str {
                match self { $(Self::$variant => $summary,)* }
            }

            /// Why it matters and how to mend it.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$variant => $explanation,)* }
            }
        }
    };
}

codes! {
    YamlSyntax Error
        "The file is not YAML."
        "Nothing in the file can be read from the marked place on. Common causes are a tab used as indentation, \
         a missing quote, and a colon followed by a space inside an unquoted text.";
    NotText Error
        "The file is not UTF-8 text, or holds control characters."
        "Documents are UTF-8. A NUL or another control character is invisible in an editor and would become part \
         of a key, so the file is refused. A byte order mark and CRLF line ends are fine.";
    TooLarge Error
        "The file has more than 256 KiB, or too many values."
        "Configuration is read by people and travels to every function. Put many overrides into an `overrides_file`, \
         other large sets of units into an attribute that your program computes, and split the file at `---`. A file \
         of overrides may have 4 MiB.";
    TooDeep Error
        "Values are nested too deeply."
        "No document needs more than a few levels. Use a `segment` for conditions that nest this far.";
    AliasBudget Error
        "YAML aliases expand to too many values."
        "Aliases of aliases grow exponentially. Write the values out, or use a segment.";
    DuplicateField Error
        "A field is written twice in one mapping."
        "YAML forbids duplicates, and readers differ in which one they keep. Keep one of the two.";
    OverridesFile Error
        "A file of overrides cannot be used."
        "`overrides_file:` names a CSV file with the columns `unit` and `variant`, or a JSON file with a mapping from unit \
         to variant, of at most 4 MiB. It stands in the folder of the document or below, because it is reviewed and \
         published with it. Only `abx` reads it: what is published holds its units as `overrides`.";
    NonFiniteNumber Error
        "A number is infinite, not a number, or too large."
        "`.nan`, `.inf` and numbers such as 1e400 cannot be compared, and cannot be shares.";
    UnsupportedYaml Error
        "A feature of YAML that documents do not use."
        "Tags (`!x`), merge keys (`<<`), and names of fields that are lists, mappings or left out have no meaning in a \
         document.";
    NumberNotAsWritten Warning
        "YAML reads a number other than the one that is written."
        "Leading zeros, exponents, `0x`, a plus sign and digits that a number cannot hold are lost when YAML reads it: \
         01234 is 1234, and 1.10 is 1.1. Zip codes, phone numbers, long ids and versions are texts: quote them. \
         JavaScript and many readers of JSON hold no integer beyond 2^53 (9007199254740992) exactly.";
    TextLooksTyped Warning
        "An unquoted text looks like a number, a boolean or null."
        "In YAML 1.2 `yes`, `no`, `on`, `off`, `1_000`, `0,5` and `None` are texts. Write true, false, null or the \
         number, or quote the text.";
    HiddenCharacters Warning
        "A text that is compared has invisible characters."
        "A line break or blank at its end, a no-break space or a zero-width character makes it differ from the text \
         that programs send. Delete the character, or write it as an escape in double quotes, for example \
         \"\\u00a0\".";
    LookAlikeCharacters Warning
        "A text that is compared has characters that look like others."
        "A Cyrillic or Greek letter among Latin ones, or an accent as a separate character (not in Unicode's form \
         NFC), makes it differ from the text that it looks like. Retype it, or write the character as an escape in \
         double quotes, for example \"\\u0430\".";
    UnknownKind Error
        "The kind of the document is unknown."
        "A document has exactly one of the keys `experiment`, `flag`, `catalog` and `tests`. Separate several \
         documents in one file by a line `---`.";
    UnknownField Error
        "The document has no such field."
        "Unknown fields are errors, because a misspelled `targeting_rules` would let every unit in.";
    MissingField Error
        "A required field is missing."
        "There is no default that would be right for most documents.";
    WrongType Error
        "A value has the wrong type."
        "YAML derives the type of an unquoted value from its form: `user: 123` is a number and `user: \"123\"` is a \
         string.";
    UnknownWord Error
        "A word is not one of the allowed words."
        "The message lists the allowed words, or the nearest one.";
    InvalidKey Error
        "A key has characters that are not allowed."
        "A key has 1 to 64 of a-z, 0-9, `.`, `_` and `-`, and starts with a letter or a digit. Keys are hashed, \
         stored and used in URLs, so look-alike and invisible characters are not allowed.";
    InvalidDate Error
        "A date, time or duration cannot be read."
        "Times need an offset, so that they mean the same everywhere: 2026-03-01T09:00:00Z. A date alone is midnight \
         in UTC. Durations are whole numbers with s, m, h, d or w.";
    DuplicateKey Error
        "Two documents, or two parts of one document, have the same key."
        "Rename one of the two. To keep the variants of units that are already assigned, give the renamed document \
         its old key as `salt`.";
    DuplicateSalt Warning
        "Two documents hash with the same salt."
        "Each unit then falls into the same bucket in both, so the two are not independent, and the effect of each \
         distorts the results of the other. Give each document its own `salt`, or leave it out.";
    NoVariants Error
        "There are no variants."
        "An experiment needs at least two variants to compare. A flag without `variants` is a boolean flag.";
    SingleVariant Warning
        "There is only one variant."
        "Every unit in the traffic gets the same variant, so nothing is compared. Add a control.";
    AllocationMissing Error
        "Some variants have an allocation and others have none."
        "Give every variant an `allocation` (or `ranges`), or give none to any: then all get equal shares.";
    AllocationRange Error
        "A share is out of range."
        "An allocation is a number from 0 to 1, a percentage is a number from 0 to 100.";
    AllocationSum Error
        "The allocations do not sum to 1."
        "Sums within 0.01 of 1 are normalized. Any other sum would take units from a variant that should keep them.";
    AllocationNormalised Warning
        "The allocations sum to nearly 1 and were normalized."
        "Each share was divided by the sum. Write shares that sum to 1.";
    PercentageBelowOne Warning
        "A percentage below 1 that may have been meant as a share."
        "`rollout_percentage` and `percentage` are from 0 to 100, and allocations from 0 to 1: 0.1 is 0.1 % here and \
         10 % there. With the percent sign, `0.1%` or `10%`, it means the same in both.";
    RangeInvalid Error
        "Ranges of buckets overlap, leave gaps or exceed the last bucket."
        "There are 1,000,000 buckets, from 0 to 999,999. A range includes its first bucket and excludes its last: [0, \
         500000] and [500000, 1000000] are two halves. The ranges of all variants must cover every bucket once.";
    VariantUnreachable Warning
        "No unit can get this variant."
        "Its share is 0 buckets and no override names it. Remove it, or give it a share.";
    NoTraffic Warning
        "No unit takes part."
        "The traffic or rollout is 0, so the document has no effect. Use `status: paused`, or `enabled: false` in a \
         flag, to say so.";
    DatesReversed Error
        "The document ends before it starts."
        "`ends_at` must be later than `starts_at`.";
    WinnerIgnored Warning
        "A winner is named, but the experiment is not completed."
        "`winner` is served only with `status: completed`.";
    UnknownVariant Error
        "The document has no such variant."
        "Every variant that is named must be in `variants`; a flag without `variants` has `on` and `off`.";
    UnknownSegment Error
        "No catalog document has this segment."
        "Segments are defined under `catalog: segments:`.";
    UnknownLayer Error
        "No catalog document has this layer."
        "Layers are defined under `catalog: layers:`.";
    UnknownExperiment Error
        "A slot, a holdout or a rule names an experiment that does not exist."
        "Correct the key, or add the experiment to the documents that are checked together.";
    UnknownFlag Error
        "A prerequisite names a flag that does not exist."
        "Correct the key, or add the flag to the documents that are checked together.";
    LayerMismatch Error
        "A layer and an experiment do not name each other."
        "An experiment in a layer needs `layer:`, and the layer needs a slot for it. Both must randomize the same \
         `unit`.";
    SlotOverlap Error
        "Two slots of a layer have the same buckets."
        "The experiments of a layer exclude each other; a unit in two slots would be in both.";
    SegmentCycle Error
        "A segment contains itself, or too many other segments."
        "Segments may name other segments, but not in a circle, with at most 8 in a chain, and with at most 10,000 \
         conditions in all, because each decision evaluates them.";
    PrerequisiteCycle Error
        "A flag is its own prerequisite, or has too many prerequisites."
        "Prerequisites may name other flags, but not in a circle, with at most 8 in a chain, and with at most 10,000 \
         in all.";
    InvalidOperator Error
        "The operator of a condition does not fit its fields."
        "Most operators need `attribute` and `value`. `exists` and `not_exists` take no `value`. Only `percentage` \
         takes a `salt`, and needs it.";
    InvalidValue Error
        "The value of a condition does not fit its operator."
        "The message says what the operator takes.";
    InvalidRegex Error
        "A regular expression cannot be compiled."
        "Expressions run in linear time, so there is no look-around and there are no back-references. A compiled \
         expression has at most 1 MiB.";
    RegexBudget Error
        "The regular expressions of all documents together are too large."
        "Compiled, they may take 32 MiB; equal expressions count once. A function compiles all of them when it starts \
         and at each new revision, so a few hundred large ones would fill its memory.";
    RegexSlashes Warning
        "A regular expression is written between slashes."
        "There are no delimiters: the slashes, and flags after the last one, are searched for in the text. Write the \
         expression alone, with flags in front: `(?i)^x` instead of `/^x/i`.";
    SemverBare Warning
        "A bare version in a version range is a caret range."
        "As in Cargo, `1.0.0` means `^1.0.0`: every version from 1.0.0 up to, but not including, 2.0.0. Write \
         `=1.0.0` for the one version, and `^1.0.0` for the range.";
    InvalidZone Error
        "The time zone does not exist."
        "Time zones are IANA names, for example Europe/Berlin or UTC.";
    OddTimeWindow Warning
        "A time window that starts at the end of a day, or ends when it starts."
        "A window whose end is not after its start continues on the next day, so a window from 9:00 to 9:00 lasts a \
         whole day. `24:00` is the end of a day, never its start.";
    NetworkHostBits Warning
        "A network is written with an address inside it."
        "`10.1.2.3/8` has bits set beyond its first 8, and is read as `10.0.0.0/8`. Write the network, or the address \
         without a prefix length if only that address is meant.";
    NeverMatches Warning
        "A condition can never be true."
        "Its parts contradict each other, or its list is empty. Units that it should match are left out.";
    AlwaysMatches Warning
        "A condition is always true."
        "Its list of conditions is empty, or its value matches everything. Units that it should keep out are let in.";
    RuleUnreachable Warning
        "A rule is never reached."
        "An earlier rule matches every unit that this one could match.";
    NegativeMissing Warning
        "`not:` matches every unit without the attribute."
        "A missing attribute makes the inner condition false, and `not` turns that into true. Put \
         `{attribute: x, operator: exists}` beside it, or use the operator's own negative (`not_equals`, `not_in`), \
         which is false for a missing attribute.";
    NegativeType Warning
        "`not:` matches every value of another type."
        "A value of another type makes the inner condition false, and `not` turns that into true: `not: age >= 18` is \
         true for the text \"20\". Use the opposite operator, which is false for it (`less_than: 18`), or add a \
         condition that is true only for the right type.";
    PayloadMismatch Error
        "A payload does not fit the `payload_schema`."
        "Programs are written against the types that `abx generate` makes of the schema, so a payload of another shape would \
         break them. Change the payload, or the schema.";
    MixedValues Warning
        "The variants of a flag have values of different types."
        "A program asks for a boolean, string, number or object, and gets its own default if the type differs.";
    MetricInvalid Error
        "A metric cannot be computed."
        "Each kind needs its fields: an `event`, the `property` whose values are used, the parts of a ratio, the `q` of a \
         quantile. A field that the kind has no use for is refused too, because somebody believes in it.";
    SeveralPrimaries Warning
        "Several metrics are primary, because no role is written."
        "All primary metrics together are wrong with the probability alpha at most, so each of them needs more units. Write \
         `role: primary` at the metric that decides: those without a role are then secondary. Where several really \
         decide, write it at each of them.";
    PlanInvalid Error
        "A plan cannot be followed."
        "`goal` names a metric of the experiment, `power` and `alpha` are probabilities, and a plan for one final look says \
         when that is. `abx power KEY` computes a plan from the document and its counts.";
    RowTooLarge Error
        "The counts of an experiment do not fit in a row of the table."
        "The counts of all variants and metrics in an hour are one row, and the sums of a variant are another. A row \
         of DynamoDB holds 400 KB, including its names, and a full row takes no more events. The size is the one that \
         the row can grow to: some hundreds of metrics with long keys. Shorten the keys of variants and metrics, or \
         define fewer metrics.";
    BlankText Error
        "A text that may not be blank is blank."
        "An empty unit, salt or attribute would be the same for every unit.";
    UnknownKey Error
        "The tests are about a document that does not exist."
        "`tests:` names the key of an experiment or flag among the documents that are checked together.";
    ExpectationInvalid Error
        "A test can never pass, or tests nothing."
        "Its parts contradict each other, or do not apply to the document: a reason that never comes with a variant, \
         a value that the variant does not have, a pin of a flag.";
    MatrixInvalid Error
        "A matrix has no combinations, or an exception matches none of them."
        "A case is tried with every combination of the values of its matrix. An exception selects some of them by \
         attributes and values of the matrix; the first one that matches applies.";
    TimeMissing Warning
        "A test may fail later without a change of documents."
        "Its document starts, ends or tests the time, and without `at:` a test decides as of the present time.";
    UnusedSegment Warning
        "No document uses this segment."
        "Remove it, or check the spelling of its key where it should be used.";
    UnitsReshuffled Error
        "A change assigns every unit again."
        "The salt (the key, if there is no `salt`) and the unit are hashed. With another salt or unit every unit \
         falls into another bucket, and the counts so far belong to a mixture of variants. Keep the old salt; to \
         restart on purpose, raise `epoch`.";
    KeyRenamed Error
        "A document has a new key and no salt, so every unit is assigned again."
        "Without `salt` the key is hashed. Write the old key as `salt`, and every unit keeps its variant. Assignments \
         and counts are stored under the key, so they start again in any case.";
    AvoidableMoves Error
        "A change of shares moves more units than necessary."
        "Allocations are laid out one after another, so a changed share shifts all that follow. `abx rebalance` \
         writes `ranges` that give the same shares and move only the units that have to move.";
    NotComparable Error
        "A changed document does not compile, so abx cannot tell which units move."
        "The document is left out of the catalog. See `abx validate`; the other documents are compared.";
    NotCompiledBefore Warning
        "A document compiles now, and did not before."
        "The old version did not compile, so it served nothing or an earlier revision. abx cannot tell which units \
         move.";
    UnitsSwitch Warning
        "Units of a running experiment get another variant."
        "These shares cannot be reached with fewer moves. Assigned units keep their variant; where no assignments are \
         stored, as for flags, units see one variant after another, which dilutes the difference between them.";
    UnitsLeave Warning
        "Units of a running experiment no longer get a variant."
        "The traffic is lower, a layer gave buckets to another experiment, or a holdout grew. Assigned units keep \
         their variant unless a holdout covers them; units that come now are selected differently from earlier ones.";
    VariantRemoved Warning
        "A running experiment loses a variant."
        "Its units get another variant after having seen this one. Analyze only units that came later, or raise \
         `epoch`.";
    PayloadChanged Warning
        "The payload of a variant changes in a running experiment."
        "The counts so far are about the old payload. Raise `epoch`, or add a variant.";
    TargetingChanged Warning
        "The targeting of a running experiment changes."
        "Units that come later are selected differently from earlier ones. `--units-file` counts the units that move.";
    MetricChanged Warning
        "A metric of a running experiment changes, or is removed."
        "The counts before and after the change are added up under one key. Give the new metric a new key.";
    EpochChanged Warning
        "A running experiment is randomized again, on purpose."
        "Every unit is assigned again, stored assignments no longer apply, and counting starts again.";
    ExperimentRemoved Warning
        "A running experiment is removed."
        "Its units immediately get no variant. To avoid that, complete it first, with a winner.";
}
