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
