//! Contract of a [`PersonalData`], over a store that also keeps assignments and marks.

use crate::assignments::assignment;
use crate::marks::{key, mark};
use crate::odd_units;
use abx_functions::ports::{AssignmentStore, Held, MetricStore, PersonalData};

/// The stores of one place.
pub(crate) struct Place<A, M, P> {
    pub(crate) assignments: A,
    pub(crate) marks: M,
    pub(crate) personal_data: P,
}

impl<A: AssignmentStore, M: MetricStore, P: PersonalData> Place<A, M, P> {
    async fn fill(&self, unit: &str, experiments: &[&str]) {
        for experiment in experiments {
            self.assignments.put_if_absent(&assignment(unit, experiment, "a"), 0).await.unwrap();
        }
        let marks = [(key(unit, None), mark("a", "1")), (key(unit, Some("purchase")), mark("a", "2"))];
        self.marks.put_marks(&marks).await.unwrap();
    }
}

pub(crate) async fn nothing_is_held_of_a_stranger<A, M, P>(place: Place<A, M, P>)
where
    A: AssignmentStore,
    M: MetricStore,
    P: PersonalData,
{
    place.fill("somebody", &["e"]).await;
    assert!(place.personal_data.held("stranger").await.unwrap().is_empty());
    place.personal_data.erase("stranger").await.unwrap();
    assert!(!place.personal_data.held("somebody").await.unwrap().is_empty());
    assert!(place.personal_data.held("").await.is_err());
    assert!(place.personal_data.erase("").await.is_err());
}

pub(crate) async fn one_unit_is_erased_and_no_other<A, M, P>(place: Place<A, M, P>)
where
    A: AssignmentStore,
    M: MetricStore,
    P: PersonalData,
{
    let units = odd_units();
    for unit in &units {
        place.fill(unit, &["f", "e"]).await;
    }
    let full = |unit: &str| Held {
        assignments: vec!["e".into(), "f".into()],
        marks: vec![key(unit, None), key(unit, Some("purchase"))],
        events: 0,
    };
    for (number, unit) in units.iter().enumerate() {
        assert_eq!(place.personal_data.held(unit).await.unwrap(), full(unit), "{unit:?}");
        place.personal_data.erase(unit).await.unwrap();
        assert!(place.personal_data.held(unit).await.unwrap().is_empty(), "{unit:?}");
        assert_eq!(place.assignments.get(unit, "e").await.unwrap(), None);
        assert_eq!(place.marks.marks(&[key(unit, None)]).await.unwrap(), [None]);
        for other in &units[number + 1..] {
            assert_eq!(place.personal_data.held(other).await.unwrap(), full(other), "{other:?}");
        }
    }
}

pub(crate) async fn a_unit_with_many_items_is_erased_whole<A, M, P>(place: Place<A, M, P>)
where
    A: AssignmentStore,
    M: MetricStore,
    P: PersonalData,
{
    let experiments: Vec<String> = (0..120).map(|number| format!("experiment_{number:03}")).collect();
    let names: Vec<&str> = experiments.iter().map(String::as_str).collect();
    place.fill("u", &names).await;
    assert_eq!(place.personal_data.held("u").await.unwrap().assignments, experiments);
    place.personal_data.erase("u").await.unwrap();
    assert!(place.personal_data.held("u").await.unwrap().is_empty());
}
