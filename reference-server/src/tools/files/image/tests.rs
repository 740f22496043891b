#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn picture(width: u32, height: u32) -> DynamicImage {
    let pixel = |x: u32, y: u32| image::Rgba([u8::try_from(x % 256).unwrap(), u8::try_from(y % 256).unwrap(), 7, 200]);
    DynamicImage::from(image::RgbaImage::from_fn(width, height, pixel))
}

#[test]
fn every_format_is_written_and_read_again() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP] {
        let read = read(written(&picture(20, 10), format).unwrap()).unwrap();
        assert_eq!((read.width(), read.height()), (20, 10), "{format:?}");
    }
}

#[test]
fn sizes_follow_the_fit() {
    let size = |width, height, fit| {
        let made = resized(picture(200, 100), width, height, fit).unwrap();
        (made.width(), made.height())
    };
    assert_eq!(size(None, None, Fit::Contain), (200, 100));
    assert_eq!(size(Some(50), None, Fit::Contain), (50, 25));
    assert_eq!(size(None, Some(50), Fit::Contain), (100, 50));
    assert_eq!(size(Some(50), Some(50), Fit::Contain), (50, 25));
    assert_eq!(size(Some(50), Some(50), Fit::Cover), (50, 50));
    assert_eq!(size(Some(50), Some(40), Fit::Stretch), (50, 40));
}

#[test]
fn image_that_would_take_too_much_is_refused_before_it_is_read() {
    // A PNG of 60,000 × 60,000 pixels, whose bytes are few: signature, IHDR, and nothing behind it.
    let mut bomb = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    bomb.extend_from_slice(&60_000_u32.to_be_bytes());
    bomb.extend_from_slice(&60_000_u32.to_be_bytes());
    bomb.extend_from_slice(&[8, 6, 0, 0, 0]);
    let mut checksum = flate2::Crc::new();
    checksum.update(bomb.get(12..).unwrap());
    bomb.extend_from_slice(&checksum.sum().to_be_bytes());
    bomb.extend_from_slice(b"\0\0\0\x01IDATx");
    let refused = read(bomb).unwrap_err();
    assert_eq!(refused.code(), "image_too_large", "{refused}");
    assert_eq!(read(b"no image".to_vec()).unwrap_err().code(), "invalid_image");
    assert_eq!(format_of("a.tiff"), None);
}

#[test]
fn resizing_that_would_take_too_much_is_refused_before_it_begins() {
    let narrow = picture(16_384, 1);
    // Cut to its middle first: nothing large is on the way.
    let covered = resized(narrow.clone(), Some(1), Some(1_000), Fit::Cover).unwrap();
    assert_eq!((covered.width(), covered.height()), (1, 1_000));
    let stretched = resized(narrow, Some(8_192), Some(8_192), Fit::Stretch).unwrap_err();
    assert_eq!(stretched.code(), "image_too_large");
    assert_eq!(resized(picture(1, 100), Some(100), None, Fit::Contain).unwrap_err().code(), "invalid_arguments");
}

#[test]
fn plans_keep_proportions_and_never_leave_the_image() {
    for have in [(1, 1), (16_384, 1), (1, 16_384), (200, 100), (3, 7)] {
        for wanted in [(1, 1), (8_192, 1), (1, 8_192), (50, 50), (13, 5)] {
            let cover = plan(have, Some(wanted.0), Some(wanted.1), Fit::Cover);
            assert!(cover.part.0 <= have.0 && cover.part.1 <= have.1 && cover.size == wanted, "{have:?} {wanted:?}");
            let contain = plan(have, Some(wanted.0), Some(wanted.1), Fit::Contain);
            assert!(contain.size.0 <= wanted.0 && contain.size.1 <= wanted.1, "{have:?} {wanted:?} {contain:?}");
            assert!(contain.size.0 >= 1 && contain.size.1 >= 1);
        }
    }
}
