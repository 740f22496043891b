use super::*;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

#[test]
fn ids_of_a_parent_are_read() {
    let parent = Parent { trace: TRACE, span: "00f067aa0ba902b7", sampled: true };
    assert_eq!(Parent::parse(&format!("00-{TRACE}-00f067aa0ba902b7-01")), Some(parent));
    assert_eq!(Parent::parse(&format!("01-{TRACE}-00f067aa0ba902b7-01-later")), Some(parent));
}

#[test]
fn what_is_not_in_the_form_is_left_out() {
    for text in [
        String::new(),
        format!("00-{TRACE}-00f067aa0ba902b7"),
        format!("00-{TRACE}-00f067aa0ba902b7-01-more"),
        format!("ff-{TRACE}-00f067aa0ba902b7-01"),
        format!("00-{}-00f067aa0ba902b7-01", TRACE.to_uppercase()),
        format!("00-{TRACE}-0000000000000000-01"),
        format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
        format!("00-{TRACE}\n-00f067aa0ba902b7-01"),
    ] {
        assert_eq!(Parent::parse(&text), None, "{text}");
    }
}
