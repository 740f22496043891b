use proptest::prelude::*;

use super::{ChunkError, ChunkScanner, EXTENSION_BYTES_MAX, TRAILER_BYTES_MAX};

fn scanned(body: &[u8]) -> Result<bool, ChunkError> {
    let mut scanner = ChunkScanner::default();
    scanner.push(body)?;
    Ok(scanner.is_complete())
}

#[test]
fn well_formed_bodies_are_complete() {
    for body in [
        "0\r\n\r\n",
        "1\r\nZ\r\n0\r\n\r\n",
        "00000000000000A;note=\"x y\";z\r\n\r\n\r\n\r\n\r\n\r\n\r\n000;last\r\n\r\n",
        "2\r\n\r\n\r\n0\r\nX-Sum: a\r\nX-Empty:\r\n\r\n",
    ] {
        assert_eq!(scanned(body.as_bytes()), Ok(true), "{body:?}");
    }
}

#[test]
fn body_that_goes_on_is_not_complete() {
    for body in [
        "",
        "1",
        "1\r\n",
        "1\r\nZ",
        "1\r\nZ\r\n",
        "1\r\nZ\r\n0\r\n",
        "0\r\n\r",
        "0\r\nX: y\r\n",
        "ffffffffffffffff\r\nZ",
    ] {
        assert_eq!(scanned(body.as_bytes()), Ok(false), "{body:?}");
    }
}

#[test]
fn malformed_framing_is_refused_at_its_first_byte() {
    use ChunkError::{Extension, LineEnd, Size, Trailer};
    for (body, error) in [
        ("0x", Size),
        ("1_", Size),
        ("-", Size),
        ("+", Size),
        (" ", Size),
        ("1 ", Size),
        ("1\t", Size),
        ("\r", Size),
        ("\n", Size),
        (";", Size),
        ("1\n", Size),
        ("11111111111111111", Size),
        ("00000000000000000", Size),
        ("1\rZ", LineEnd),
        ("1;a=\n", Extension),
        ("1;a=\0", Extension),
        ("1;a=\x7f", Extension),
        ("1;a=\u{e9}", Extension),
        ("1;a\rZ", LineEnd),
        ("1\r\nZ\n", LineEnd),
        ("1\r\nZZ", LineEnd),
        ("1\r\nZ\rZ", LineEnd),
        ("1\r\nZ\r\n\r", Size),
        ("0\r\n\n", Trailer),
        ("0\r\n\r\r", LineEnd),
        ("0\r\n ", Trailer),
        ("0\r\n:", Trailer),
        ("0\r\nX\r", Trailer),
        ("0\r\nX ", Trailer),
        ("0\r\nX: a\n", Trailer),
        ("0\r\nX: a\0", Trailer),
    ] {
        let (begin, last) = body.as_bytes().split_at(body.char_indices().last().unwrap().0);
        let mut scanner = ChunkScanner::default();
        assert_eq!(scanner.push(begin), Ok(begin.len()), "{body:?}");
        assert_eq!(scanner.push(last), Err(error), "{body:?}");
        assert_eq!(scanner.push(b"1\r\n"), Err(error), "a refusal is for good");
    }
}

#[test]
fn extensions_are_bounded_over_the_whole_body() {
    let chunk = |bytes: usize| format!("1;{}\r\nZ\r\n", "x".repeat(bytes - 1));
    let last = "0\r\n\r\n";
    let half = EXTENSION_BYTES_MAX / 2;
    assert_eq!(scanned(format!("{}{}{last}", chunk(half), chunk(half)).as_bytes()), Ok(true));
    assert_eq!(scanned(format!("{}{}{last}", chunk(half), chunk(half + 1)).as_bytes()), Err(ChunkError::Extension));
}

#[test]
fn trailers_are_bounded() {
    let body = |bytes: usize| format!("0\r\nX: {}\r\n\r\n", "y".repeat(bytes));
    // The name, the colon and the space.
    assert_eq!(scanned(body(TRAILER_BYTES_MAX - 3).as_bytes()), Ok(true));
    assert_eq!(scanned(body(TRAILER_BYTES_MAX - 2).as_bytes()), Err(ChunkError::Trailer));
}

/// The parts of a body: a size line, data and line end for each chunk, then the last chunk and each line behind it.
fn parts() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let extension =
        prop_oneof![Just(String::new()), "(;[a-z]{1,5}(=[a-z0-9]{1,5})?){1,2}", "; [a-z]=\"[ -!#-~]{0,9}\""];
    let chunk = (proptest::collection::vec(any::<u8>(), 1..300), extension, 0..4_usize, any::<bool>());
    let trailers = proptest::collection::vec("[A-Za-z-]{1,9}:[ -~\t]{0,20}", 0..3);
    (proptest::collection::vec(chunk, 0..6), trailers).prop_map(|(chunks, trailers)| {
        let mut parts = vec![];
        for (data, extension, zeros, upper) in chunks {
            let size = if upper { format!("{:X}", data.len()) } else { format!("{:x}", data.len()) };
            parts.push(format!("{}{size}{extension}\r\n", "0".repeat(zeros)).into_bytes());
            parts.push([&data[..], b"\r\n"].concat());
        }
        parts.push(b"0\r\n".to_vec());
        parts.extend(trailers.into_iter().map(|line| format!("{line}\r\n").into_bytes()));
        parts.push(b"\r\n".to_vec());
        parts
    })
}

/// What a body becomes when it is read in pieces of these sizes, in turn.
fn in_pieces(body: &[u8], sizes: &[usize]) -> (Result<usize, ChunkError>, bool) {
    let (mut scanner, mut rest, mut used) = (ChunkScanner::default(), body, 0);
    for size in sizes.iter().cycle() {
        let (piece, behind) = rest.split_at((*size).min(rest.len()));
        match scanner.push(piece) {
            Ok(count) => used += count,
            Err(error) => return (Err(error), false),
        }
        rest = behind;
        if rest.is_empty() {
            break;
        }
    }
    (Ok(used), scanner.is_complete())
}

proptest! {
    #[test]
    fn a_valid_body_is_accepted_however_it_is_cut(
        parts in parts(),
        behind in proptest::collection::vec(any::<u8>(), 0..20),
        sizes in proptest::collection::vec(1..70_usize, 1..20),
    ) {
        let body = parts.concat();
        let all = [&body[..], &behind].concat();
        prop_assert_eq!(in_pieces(&all, &[all.len()]), (Ok(body.len()), true));
        prop_assert_eq!(in_pieces(&all, &sizes), (Ok(body.len()), true));
        // Without its last byte it is not over.
        prop_assert_eq!(in_pieces(&body[..body.len() - 1], &sizes), (Ok(body.len() - 1), false));
    }

    #[test]
    fn a_line_end_that_is_not_crlf_is_refused_however_it_is_cut(
        parts in parts(),
        place: prop::sample::Index,
        end in prop_oneof![Just(&b"\n"[..]), Just(&b"\r"[..]), Just(&b"\n\r"[..]), Just(&b"\r\r\n"[..]), Just(&b"\0\r\n"[..])],
        sizes in proptest::collection::vec(1..70_usize, 1..20),
    ) {
        let mut parts = parts;
        let place = place.index(parts.len());
        let part = &mut parts[place];
        part.truncate(part.len() - 2);
        part.extend_from_slice(end);
        // Behind the end of the body there must be a byte that shows a carriage return to be alone.
        let body = [parts.concat(), b"GET".to_vec()].concat();
        let whole = in_pieces(&body, &[body.len()]);
        prop_assert!(whole.0.is_err(), "{:?}: {:?}", String::from_utf8_lossy(&body), whole);
        prop_assert_eq!(in_pieces(&body, &sizes), whole);
    }

    #[test]
    fn a_size_that_is_no_number_is_refused_however_it_is_cut(
        parts in parts(),
        chunk: prop::sample::Index,
        with in prop_oneof![Just("0x"), Just("-"), Just("+"), Just(" "), Just("1_"), Just("\t"), Just(";"), Just("00000000000000000")],
        sizes in proptest::collection::vec(1..70_usize, 1..20),
    ) {
        let mut parts = parts;
        let chunks = parts.iter().position(|part| part == b"0\r\n").unwrap() / 2 + 1;
        let place = chunk.index(chunks) * 2;
        parts[place].splice(0..0, with.bytes());
        let body = parts.concat();
        prop_assert_eq!(in_pieces(&body, &[body.len()]), (Err(ChunkError::Size), false));
        prop_assert_eq!(in_pieces(&body, &sizes), (Err(ChunkError::Size), false));
    }

    #[test]
    fn a_size_that_is_not_the_datas_is_refused_or_waits(parts in parts(), chunk: prop::sample::Index, less in 1..40_usize) {
        let chunks = parts.iter().position(|part| part == b"0\r\n").unwrap() / 2;
        prop_assume!(chunks > 0);
        let mut parts = parts;
        let place = chunk.index(chunks) * 2;
        let data = parts[place + 1].len() - 2;
        prop_assume!(data > less);
        // Data that could be a line end itself would hide it.
        parts[place + 1][..data].fill(b'z');
        parts[place] = format!("{:x}\r\n", data - less).into_bytes();
        prop_assert_eq!(scanned(&parts.concat()), Err(ChunkError::LineEnd));
    }
}
