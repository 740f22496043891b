use super::*;

#[test]
fn response_with_length_is_read() {
    let (status, head) = response_head(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n").unwrap().unwrap();
    assert_eq!(status, 200);
    assert_eq!(head, Head { len: 39, framing: Framing::Length(12), keep_alive: true });
}

#[test]
fn closing_chunked_response_is_read() {
    let bytes = b"HTTP/1.1 401 \r\ntransfer-encoding: chunked\r\nConnection: close\r\n\r\n";
    let (status, head) = response_head(bytes).unwrap().unwrap();
    assert_eq!((status, head.framing), (401, Framing::Chunked));
    assert!(!head.keep_alive);
}

#[test]
fn half_a_head_is_not_complete() {
    assert_eq!(response_head(b"HTTP/1.1 200 OK\r\nConte").unwrap(), None);
    assert_eq!(request_head(b"POST /mcp HTTP/1.1\r\n").unwrap(), None);
}

#[test]
fn bad_content_length_is_refused() {
    let error = response_head(b"HTTP/1.1 200 OK\r\nContent-Length: 1x\r\n\r\n").unwrap_err();
    assert_eq!(error, WireError::ContentLength);
}

#[test]
fn chunked_body_is_decoded_only_when_whole() {
    let bytes = b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nrest";
    let mut out = Vec::new();
    for cut in 0..20 {
        assert_eq!(chunked(&bytes[..cut], &mut out).unwrap(), None, "cut at {cut}");
    }
    assert_eq!(chunked(bytes, &mut out).unwrap(), Some(20));
    assert_eq!(out, b"abcde");
}

#[test]
fn chunk_with_wrong_end_is_refused() {
    let mut out = Vec::new();
    assert_eq!(chunked(b"3\r\nabcXY0\r\n\r\n", &mut out), Err(WireError::Chunk));
}
