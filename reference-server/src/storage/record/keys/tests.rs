#![allow(clippy::unwrap_used, reason = "tests")]

use std::cmp::Ordering;

use proptest::prelude::*;

use super::*;

/// Compared without keys.
fn compared(one: Exact, other: Exact) -> Ordering {
    match (one, other) {
        (Exact::Whole(one), Exact::Whole(other)) => one.cmp(&other),
        (Exact::Double(one), Exact::Double(other)) => one.partial_cmp(&other).unwrap(),
        (Exact::Double(_), Exact::Whole(_)) => compared(other, one).reverse(),
        (Exact::Whole(_), Exact::Double(double)) if double.abs() >= 2f64.powi(64) => {
            if double > 0.0 {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (Exact::Whole(whole), Exact::Double(double)) => {
            let floor = double.floor();
            #[expect(clippy::cast_possible_truncation, reason = "below 2^64")]
            whole.cmp(&(floor as i128)).then(if double > floor { Ordering::Less } else { Ordering::Equal })
        }
    }
}

fn number() -> impl Strategy<Value = Number> {
    let near = |bits: u32| (0..8u64).prop_map(move |above| ((1u64 << bits) - 4 + above).into());
    prop_oneof![
        any::<i64>().prop_map(Number::from),
        any::<u64>().prop_map(Number::from),
        near(53),
        near(62),
        near(63),
        (0..8u64).prop_map(|below| (u64::MAX - below).into()),
        (0..8i64).prop_map(|above| (i64::MIN + above).into()),
        (-3i64..3).prop_map(Number::from),
        any::<f64>().prop_filter_map("finite", Number::from_f64),
        (-3i32..3).prop_filter_map("finite", |half| Number::from_f64(f64::from(half) / 2.0)),
        Just(Number::from_f64(-0.0).unwrap()),
        Just(Number::from_f64(2f64.powi(63)).unwrap()),
        Just(Number::from_f64(2f64.powi(64)).unwrap()),
        Just(Number::from_f64(-(2f64.powi(63))).unwrap()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn keys_of_numbers_are_ordered_as_the_numbers_are(one in number(), other in number()) {
        let (first, second) = (key(&one.clone().into()), key(&other.clone().into()));
        prop_assert_eq!(first.cmp(&second), compared(Exact::of(&one), Exact::of(&other)), "{} {}", one, other);
    }

    #[test]
    fn number_comes_back_from_its_key(one in number()) {
        let exact = Exact::of(&one);
        prop_assert_eq!(super::number(&key(&one.clone().into())), Some(exact));
        prop_assert_eq!(Exact::of(&exact.json().unwrap()), exact);
    }

    #[test]
    fn text_comes_back_from_its_key_and_paths_are_told_apart(
        one in prop::collection::vec("[ab.%$\"'\\\\\\[\\]0\u{e9}]{1,3}", 1..3),
        other in prop::collection::vec("[ab.%$\"'\\\\\\[\\]0\u{e9}]{1,3}", 1..3),
    ) {
        let text = one.concat();
        prop_assert_eq!(value(&key(&text.clone().into())), Some(text.into()));
        let (first, second) = (place(one.iter().map(String::as_str)), place(other.iter().map(String::as_str)));
        prop_assert_eq!(first == second, one == other);
        prop_assert!(!first.contains(['"', '\\', '$', '[', '\'']), "{}", first);
    }
}

#[test]
fn types_are_ordered_and_never_equal() {
    let values = [
        json!(null),
        json!(false),
        json!(true),
        json!(-1e300),
        json!(0),
        json!(1),
        json!(""),
        json!("0"),
        json!("\u{ffff}"),
        json!("\u{1f980}"),
        json!([]),
        json!({}),
    ];
    assert!(values.iter().zip(values.iter().skip(1)).all(|(low, high)| key(low) < key(high)));
}

#[test]
fn what_is_equal_has_one_key() {
    for (one, other) in [(json!(1), json!(1.0)), (json!(0), json!(-0.0)), (json!(1e3), json!(1000))] {
        assert_eq!(key(&one), key(&other));
    }
    assert_ne!(key(&json!(9_007_199_254_740_993_i64)), key(&json!(9_007_199_254_740_992.0)));
}
