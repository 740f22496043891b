#![allow(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;

use super::*;

#[test]
fn messages_are_read_as_they_were_written() {
    let (ours, theirs) = (Names::new("x").unwrap(), Names::new("x").unwrap());
    let path = DocumentPath::parse("a b/c").unwrap();
    for message in [Message::Document(path), Message::Prompts, Message::All, Message::Beat] {
        let text = message.text(&ours);
        assert_eq!(Message::parse(text.as_bytes(), &ours), Some((true, message.clone())));
        assert_eq!(Message::parse(text.as_bytes(), &theirs), Some((false, message)));
    }
    assert_eq!(Message::parse(b"x document ../a", &ours), None);
    assert_eq!(Message::parse(b"x all of it", &ours), None);
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_failure(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let names = Names::new("x").unwrap();
        let _read = Message::parse(&bytes, &names);
    }
}
