//! Every finding code, with its severity and explanation. Codes are part of the API: they are added, never
//! renamed.

use super::Severity;
use Severity::{Error, Warning};

macro_rules! codes {
    ($($variant:ident $code:literal $severity:ident $summary:literal $explanation:literal;)*) => {
        $crate::words! {
            /// What kind of thing is wrong: a stable word in kebab-case. They are in the order in which documents are
            /// checked.
            #[derive(schemars::JsonSchema)]
            pub enum Code { $(#[doc = $summary] $variant = $code,)* }
        }

        impl Code {
            /// How bad a finding of this code is.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => $severity,)* }
            }

            /// What it means, in a few words.
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
    YamlSyntax "yaml-syntax" Error
        "The file is not YAML."
        "Nothing in the file can be read from the marked place on. Common causes are a tab used as indentation, \
         a missing quote, and a colon followed by a space inside an unquoted text.";
    NotText "not-text" Error
        "The file is not UTF-8 text, or holds control characters."
        "Documents are UTF-8. A NUL or another control character is invisible in an editor and would become part \
         of a key, so the file is refused. A byte order mark and CRLF line ends are fine.";
    TooLarge "too-large" Error
        "The file has more than 256 KiB, or too many values."
        "Configuration is read by people and travels to every function. Put many overrides into an `overrides_file`, \
         other large sets of units into an attribute that your program computes, and split the file at `---`. A file \
         of overrides may have 4 MiB.";
    TooDeep "too-deep" Error
        "Values are nested too deeply."
        "No document needs more than a few levels. Use a `segment` for conditions that nest this far.";
    AliasBudget "alias-budget" Error
        "YAML aliases expand to too many values."
        "An alias repeats a value, and aliases of aliases grow exponentially. Write the values out, or use a \
         segment.";
    DuplicateField "duplicate-field" Error
        "A field is written twice in one mapping."
        "YAML forbids it, and readers differ in which one they keep. Keep one of the two.";
    OverridesFile "overrides-file" Error
        "A file of overrides cannot be used."
        "`overrides_file:` names a CSV file with the columns `unit` and `variant`, or a JSON file with a mapping from unit \
         to variant, of at most 4 MiB. It stands in the folder of the document or below, because it is reviewed and \
         published with it. Only `abx` reads it: what is published holds its units as `overrides`.";
    NonFiniteNumber "non-finite-number" Error
        "A number is infinite, not a number, or too large."
        "`.nan`, `.inf` and numbers such as 1e400 cannot be compared or shared out.";
    UnsupportedYaml "unsupported-yaml" Error
        "A part of YAML that documents do not use."
        "Tags (`!x`), merge keys (`<<`), and names of fields that are lists, mappings or left out have no meaning in a \
         document.";
    NumberNotAsWritten "number-not-as-written" Warning
        "A number's value is not what is written."
        "Leading zeros, exponents, `0x`, a plus sign and digits that a number cannot hold are lost when YAML reads it: \
         01234 is 1234, and 1.10 is 1.1. Zip codes, phone numbers, long ids and versions are texts: quote them. \
         JavaScript and many readers of JSON hold no integer beyond 2^53 (9007199254740992) exactly.";
    TextLooksTyped "text-looks-typed" Warning
        "An unquoted text looks like a number, a boolean or nothing."
        "In YAML 1.2 `yes`, `no`, `on`, `off`, `1_000`, `0,5` and `None` are texts. Write true, false, null or the number; \
         or quote the text, to say that it is one.";
    HiddenCharacters "hidden-characters" Warning
        "A text that is compared has characters that nobody sees."
        "A line break or blank at its end, a no-break space and zero-width characters make it another text than the one \
         that programs send. Delete them; where one is meant, write it as an escape in double quotes, as \"\\u00a0\".";
    LookAlikeCharacters "look-alike-characters" Warning
        "A text that is compared has characters that look like others."
        "A Cyrillic or Greek letter among Latin ones, or an accent that is a character of its own (not in Unicode's \
         form NFC), makes it another text than the one that is seen. Type it anew; where it is meant, write it as an \
         escape in double quotes, as \"\\u0430\".";
    UnknownKind "unknown-kind" Error
        "The document does not tell what it is."
        "A document holds exactly one of the keys `experiment`, `flag`, `catalog` and `tests`. Several documents in one \
         file are separated by a line `---`.";
    UnknownField "unknown-field" Error
        "A field that no document has."
        "It is refused rather than ignored, because a misspelt `targeting_rules` would let everybody in.";
    MissingField "missing-field" Error
        "A field that must be written is missing."
        "There is no default that would be right for most.";
    WrongType "wrong-type" Error
        "A value of another type was expected."
        "YAML reads unquoted words by their look: `user: 123` is a number and `user: \"123\"` is a string.";
    UnknownWord "unknown-word" Error
        "A word that is not among those allowed here."
        "The message lists the words, or the nearest one.";
    InvalidKey "invalid-key" Error
        "A key has characters that keys may not have."
        "A key has 1 to 64 of a-z, 0-9, `.`, `_` and `-`, and starts with a letter or a digit. Keys are hashed, \
         stored and put into addresses, so look-alikes and invisible characters are kept out.";
    InvalidDate "invalid-date" Error
        "A date, time or length of time cannot be read."
        "Times need an offset, so that they mean the same everywhere: 2026-03-01T09:00:00Z. A date alone is its \
         midnight in UTC. Lengths are whole numbers with s, m, h, d or w.";
    DuplicateKey "duplicate-key" Error
        "Two documents, or two parts of one, have the same key."
        "A key names one thing. Rename one of the two; to keep the variants of those who are assigned already, \
         give the renamed document its old key as `salt`.";
    DuplicateSalt "duplicate-salt" Warning
        "Two documents hash with the same salt."
        "Units then fall into the same place in both: the two are not independent, and each one's results carry \
         the other's effect. Give each its own `salt`, or leave it out.";
    NoVariants "no-variants" Error
        "There are no variants."
        "An experiment needs at least two variants to compare; a flag leaves `variants` out to be a boolean one.";
    SingleVariant "single-variant" Warning
        "There is only one variant."
        "Everybody in the traffic gets the same, so nothing is compared. Add a control.";
    AllocationMissing "allocation-missing" Error
        "Some variants have an allocation and others have none."
        "Either every variant has an `allocation` (or `ranges`), or none has and all get equal shares.";
    AllocationRange "allocation-range" Error
        "A share is not within its limits."
        "An allocation is a number from 0 to 1, a percentage one from 0 to 100.";
    AllocationSum "allocation-sum" Error
        "The allocations do not sum to 1."
        "Sums within 0.01 of 1 are normalised; any other is a mistake that would give someone else's share away.";
    AllocationNormalised "allocation-normalised" Warning
        "The allocations sum to nearly 1 and were normalised."
        "Each share was divided by the sum. Write shares that sum to 1 to say what you mean.";
    PercentageBelowOne "percentage-below-one" Warning
        "A percentage below 1 that may have been meant as a share."
        "`rollout_percentage` and `percentage` are from 0 to 100, and allocations from 0 to 1: 0.1 is 0.1 % here and 10 % \
         there. With the sign, as `0.1%` or `10%`, it is clear in both.";
    RangeInvalid "range-invalid" Error
        "Ranges of buckets overlap, leave gaps or run over the end."
        "There are 1,000,000 buckets, from 0 to 999,999. A range holds its first bucket and not its last: \
         [0, 500000] and [500000, 1000000] are two halves. The ranges of variants must cover every bucket once.";
    VariantUnreachable "variant-unreachable" Warning
        "Nobody can get this variant."
        "Its share is 0 buckets and no override names it. Drop it, or give it a share.";
    NoTraffic "no-traffic" Warning
        "Nobody takes part."
        "The traffic or rollout is 0, so that the document does nothing. Use `status: paused`, or `enabled: false` \
         in a flag, to say so.";
    DatesReversed "dates-reversed" Error
        "It ends before it starts."
        "`ends_at` must be later than `starts_at`.";
    WinnerIgnored "winner-ignored" Warning
        "A winner is named, and the experiment is not completed."
        "`winner` is served only under `status: completed`.";
    UnknownVariant "unknown-variant" Error
        "A variant that the document does not have."
        "Every variant that is named must be in `variants`; a flag without `variants` has `on` and `off`.";
    UnknownSegment "unknown-segment" Error
        "A segment that no catalog document has."
        "Segments are written under `catalog: segments:`.";
    UnknownLayer "unknown-layer" Error
        "A layer that no catalog document has."
        "Layers are written under `catalog: layers:`.";
    UnknownExperiment "unknown-experiment" Error
        "An experiment that does not exist."
        "It is named by a slot, a holdout or a rule.";
    UnknownFlag "unknown-flag" Error
        "A flag that does not exist."
        "It is named by a prerequisite.";
    LayerMismatch "layer-mismatch" Error
        "A layer and an experiment do not name each other."
        "An experiment in a layer says `layer:`, and the layer has a slot for it. Both must randomise the same \
         `unit`.";
    SlotOverlap "slot-overlap" Error
        "Two slots of a layer own the same buckets."
        "The experiments of a layer exclude each other; a unit in two slots would be in both.";
    SegmentCycle "segment-cycle" Error
        "A segment contains itself, or too many others."
        "Segments may name other segments, not one another in a circle, no more than 8 in a chain, and no more \
         than 10,000 conditions in all: each decision asks them all.";
    PrerequisiteCycle "prerequisite-cycle" Error
        "A flag is its own prerequisite, or has too many."
        "Prerequisites may name other flags, not one another in a circle, no more than 8 in a chain, and no \
         more than 10,000 in all.";
    InvalidOperator "invalid-operator" Error
        "A condition whose operator and fields do not fit together."
        "Most operators need `attribute` and `value`; `exists` and `not_exists` take no `value`; only \
         `percentage` takes a `salt`, and needs it.";
    InvalidValue "invalid-value" Error
        "A condition's value does not fit its operator."
        "The message says what the operator takes.";
    InvalidRegex "invalid-regex" Error
        "A regular expression cannot be compiled."
        "Expressions run in linear time, so there are no look-around and no back-references, and they may not \
         grow beyond 1 MiB when compiled.";
    RegexBudget "regex-budget" Error
        "The regular expressions of all documents together are too large."
        "They may take 32 MiB when compiled; equal ones count once. A function compiles all of them when it starts and whenever a \
         revision is published, so a few hundred large ones would fill its memory.";
    RegexSlashes "regex-slashes" Warning
        "A regular expression is written between slashes."
        "There are no delimiters: the slashes, and flags behind the last, are looked for in the text. Write the \
         expression alone, with flags in front: `(?i)^x` rather than `/^x/i`.";
    SemverBare "semver-bare" Warning
        "A bare version in a range of versions is a caret."
        "As in Cargo, `1.0.0` means `^1.0.0`: every version from 1.0.0 up to 2.0.0. Write `=1.0.0` for the one \
         version, and `^1.0.0` where the range is meant.";
    InvalidZone "invalid-zone" Error
        "A time zone that does not exist."
        "Zones are IANA names, as Europe/Berlin or UTC.";
    OddTimeWindow "odd-time-window" Warning
        "A time window that starts at the end of a day, or ends when it starts."
        "A window whose end is not after its start goes on to the next day, so that one of no length lasts a whole \
         day. `24:00` is the end of a day, and never its start.";
    NetworkHostBits "network-host-bits" Warning
        "A network is written with an address inside it."
        "`10.1.2.3/8` has bits set beyond its first 8, and is read as `10.0.0.0/8`. Write the network, or the address \
         without a length if only that one is meant.";
    NeverMatches "never-matches" Warning
        "A condition that can never be true."
        "Its parts contradict each other, or its list is empty. Whoever it was meant for is left out.";
    AlwaysMatches "always-matches" Warning
        "A condition that is always true."
        "It asks nothing: a list of conditions is empty, or its value lets everything through. Whoever it should keep \
         out is let in.";
    RuleUnreachable "rule-unreachable" Warning
        "A rule that is never reached."
        "An earlier rule serves everybody whom this one could match.";
    NegativeMissing "negative-missing" Warning
        "`not:` matches everybody without the attribute."
        "A missing attribute makes the inner condition false, and `not` turns that into true. Put \
         `{attribute: x, operator: exists}` beside it, or use the operator's own negative (`not_equals`, `not_in`), \
         which is false for a missing attribute.";
    NegativeType "negative-type" Warning
        "`not:` matches every value of another type."
        "A value of another type makes the inner condition false, and `not` turns that into true: `not: age >= 18` is \
         true for the text \"20\". Use the opposite operator, which is false for it (`less_than: 18`), or put a condition \
         beside it that only the right type passes.";
    MixedValues "mixed-values" Warning
        "The variants of a flag have values of different types."
        "A program asks for a boolean, string, number or object, and gets its own default for any other type.";
    MetricInvalid "metric-invalid" Error
        "A metric that cannot be computed."
        "`sum` and `mean` need the `property` that they are made of; `event` may not be blank.";
    RowTooLarge "row-too-large" Error
        "The counts of an experiment fit in no row."
        "What is counted in an hour, of all variants and metrics, is one row, and the sums of a variant are another. A row of \
         DynamoDB holds 400 KB, with its names, and a row that is full takes no more events. The size is what the row can \
         grow to: some hundreds of metrics with long keys. Shorten the keys of variants and metrics, or measure less.";
    BlankText "blank-text" Error
        "A text that must say something is blank."
        "An empty unit, salt or attribute would be the same for everybody.";
    UnknownKey "unknown-key" Error
        "Tests of what does not exist."
        "`tests:` names the key of an experiment or flag among the documents that are checked together.";
    ExpectationInvalid "expectation-invalid" Error
        "A test that cannot be met, or tests nothing."
        "Its parts contradict each other, or have no meaning for what is tested: a reason that never comes with a \
         variant, a value that the variant does not have, a pin of a flag.";
    MatrixInvalid "matrix-invalid" Error
        "A matrix of contexts without combinations, or an exception that is about none."
        "A case is tried with every combination of the values of its matrix. An exception names some of them, by \
         attributes and values of the matrix; the first that fits counts.";
    TimeMissing "time-missing" Warning
        "A test that may fail tomorrow, though nothing has changed."
        "What it is about starts, ends or asks for the time, and without `at:` a test runs as of the present time.";
    UnusedSegment "unused-segment" Warning
        "A segment that nothing uses."
        "Drop it, or check that the rule that should use it spells its key the same.";
    UnitsReshuffled "units-reshuffled" Error
        "A change draws every unit anew."
        "The salt (the key, where no `salt` is written) and the unit are what is hashed. With another one, everybody \
         falls into another bucket, and what was counted so far belongs to a mixture of variants. Keep the old salt; \
         to start anew on purpose, raise `epoch`.";
    KeyRenamed "key-renamed" Error
        "A document has a new key and no salt, so that every unit is drawn anew."
        "The key is the salt. Write the old key as `salt`, and everybody keeps their variant. Assignments and counts \
         are kept under the key, so they begin anew in any case.";
    AvoidableMoves "avoidable-moves" Error
        "A change of shares moves more units than it must."
        "Allocations are laid one after another, so that a changed share shifts all that follow. `abx rebalance` \
         writes `ranges` that give the same shares and move only those who have to move.";
    NotComparable "not-comparable" Error
        "A changed document does not compile, so that nobody knows whom it moves."
        "It is left out of the catalog. See `abx validate`; the other documents are compared.";
    NotCompiledBefore "not-compiled-before" Warning
        "A document compiles, and did not before."
        "Nobody got anything from it, or what they got was its form of an earlier revision. Whom it moves cannot be told.";
    UnitsSwitch "units-switch" Warning
        "Units of a running experiment get another variant."
        "No fewer could be moved to these shares. Who is assigned already keeps the variant; where nothing is stored, \
         as in flags, units see one variant after another, and blur the difference between them.";
    UnitsLeave "units-leave" Warning
        "Units of a running experiment get no variant any more."
        "The traffic is lower, a layer gave its buckets to another, or a holdout grew. Who is assigned already keeps \
         the variant, apart from who is held out; those who come now are not drawn as those who came before.";
    VariantRemoved "variant-removed" Warning
        "A running experiment loses a variant."
        "Its units get another variant, having seen this one. Judge the others by units that came later, or raise \
         `epoch`.";
    PayloadChanged "payload-changed" Warning
        "A variant of a running experiment means something else."
        "What was counted before is of the old meaning. Raise `epoch`, or add a variant.";
    TargetingChanged "targeting-changed" Warning
        "The targeting of a running experiment changes."
        "Units that come later are chosen otherwise than those before. `--users-file` counts whom it moves.";
    MetricChanged "metric-changed" Warning
        "A metric of a running experiment is counted otherwise, or no longer."
        "What was counted before and what is counted now are added up under one key. Give the new one a new key.";
    EpochChanged "epoch-changed" Warning
        "A running experiment is randomised anew, on purpose."
        "Every unit is drawn anew, earlier assignments no longer hold, and counting begins again.";
    ExperimentRemoved "experiment-removed" Warning
        "A running experiment is gone."
        "Its units get no variant at once. Completing it first, with a winner, ends it without that.";
}
