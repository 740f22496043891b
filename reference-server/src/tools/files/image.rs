//! `image_convert`: resize and convert.

use std::io::{Cursor, Read as _};

use image::imageops::FilterType;
use image::{DynamicImage, ImageFormat, ImageReader, Limits};
use rmcp::model::{CallToolResult, ContentBlock};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::view::{About, resource};
use crate::directory::{Condition, FileError, FilePath};
use crate::tools::typed::{TypedError, typed_tool, value, writes};
use crate::tools::{Call, Entry, Outcome};

/// Longest side of an image that is read, in pixels.
const READ_SIDE_MAX: u32 = 16_384;

/// Longest side of an image that is made, in pixels.
const MADE_SIDE_MAX: u32 = 8_192;

/// Memory that reading one image may take, in bytes.
const READ_BYTES_MAX: u64 = 256 << 20;

/// Images at work at once: each takes a core, and memory for the image, for the way to the new one, each up to
/// [`READ_BYTES_MAX`], and for the new one.
static AT_WORK: Semaphore = Semaphore::const_new(2);

/// Why an image was not converted.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// The file is no image that is known, a broken one, or too large a one.
    #[error("not an image that can be read: {0}")]
    Unreadable(image::ImageError),
    /// The new name tells no format that is written.
    #[error("the name of the new file tells no format that is written: png, jpg, gif and webp are")]
    Format,
    /// A side without length, or too long.
    #[error("width and height must be from 1 to {MADE_SIDE_MAX}")]
    Side,
    /// Resizing would take too much memory.
    #[error("resizing this image so far would take more than {READ_BYTES_MAX} bytes of memory")]
    Large,
    /// The image cannot be written in this format.
    #[error("the image cannot be written: {0}")]
    Unwritable(image::ImageError),
}

impl ImageError {
    /// The stable code of the failure.
    pub(in crate::tools) fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(image::ImageError::Limits(_)) | Self::Large => "image_too_large",
            Self::Unreadable(_) => "invalid_image",
            Self::Format | Self::Side => "invalid_arguments",
            Self::Unwritable(_) => "image_not_writable",
        }
    }
}

pub(super) fn entry() -> Entry {
    let description = "Makes a new file from an image of the served directory, in another size or format. PNG, JPEG, GIF \
        and WebP are read and written; the new name tells the format.";
    Entry::new(typed_tool::<Convert, Converted>("image_convert", "Convert an image", description, writes()), convert)
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Convert {
    /// The image
    path: String,
    /// Where the new image goes
    new_path: String,
    /// Width of the new image in pixels
    width: Option<u32>,
    /// Height of the new image in pixels
    height: Option<u32>,
    /// How the image fits both; contain if not given
    #[serde(default)]
    fit: Fit,
    /// The revision that is replaced; without it nothing may be at new_path
    expected_revision: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Fit {
    /// As large as fits, with its proportions
    #[default]
    Contain,
    /// Fills both, with its proportions; what is too much is cut
    Cover,
    /// Exactly both
    Stretch,
}

/// A new image.
#[derive(Serialize, JsonSchema)]
struct Converted {
    #[serde(flatten)]
    about: About,
    /// Width in pixels
    width: u32,
    /// Height in pixels
    height: u32,
}

async fn convert(call: Call) -> Outcome {
    let wanted: Convert = call.typed_arguments()?;
    let (path, new_path) = (FilePath::parse(&wanted.path)?, FilePath::parse(&wanted.new_path)?);
    let format = format_of(new_path.name()).ok_or(ImageError::Format)?;
    if [wanted.width, wanted.height].into_iter().flatten().any(|side| !(1..=MADE_SIDE_MAX).contains(&side)) {
        return Err(ImageError::Side.into());
    }
    let directory = call.directory()?;
    let (mut file, stat) = directory.file(&path).await?;
    let largest = directory.quota().file_bytes;
    if stat.size > largest {
        return Err(FileError::TooLarge(largest).into());
    }
    let turn = AT_WORK.acquire().await.map_err(|_| TypedError::Internal)?;
    let work = tokio::task::spawn_blocking(move || {
        // Given back when the work is done, whoever waits for it.
        let _turn = turn;
        let mut bytes = Vec::new();
        file.by_ref().take(largest).read_to_end(&mut bytes).map_err(FileError::Io)?;
        let image = read(bytes)?;
        let image = resized(image, wanted.width, wanted.height, wanted.fit)?;
        let bytes = written(&image, format)?;
        Ok::<_, crate::tools::ToolError>((image.width(), image.height(), bytes))
    });
    let (width, height, bytes) = work.await.map_err(|_| TypedError::Internal)??;
    let replaces = wanted.expected_revision.is_some();
    let condition = wanted.expected_revision.map_or(Condition::Absent, Condition::Revision);
    let stored = directory.write(&new_path, bytes, condition).await?;
    call.announce_file(&new_path, !replaces);
    let mut result = CallToolResult::structured(value(&Converted { about: About::from(&stored), width, height })?);
    result.content.push(ContentBlock::resource_link(resource(&stored)));
    Ok(result.into())
}

fn format_of(name: &str) -> Option<ImageFormat> {
    let format = ImageFormat::from_path(name).ok()?;
    matches!(format, ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Gif | ImageFormat::WebP).then_some(format)
}

fn read(bytes: Vec<u8>) -> Result<DynamicImage, ImageError> {
    let io = |error| ImageError::Unreadable(image::ImageError::IoError(error));
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(io)?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(READ_SIDE_MAX);
    limits.max_image_height = Some(READ_SIDE_MAX);
    limits.max_alloc = Some(READ_BYTES_MAX);
    reader.limits(limits);
    reader.decode().map_err(ImageError::Unreadable)
}

/// The part of an image that is taken, and the size that it gets.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    /// Width and height of the part, from the middle.
    part: (u32, u32),
    /// Width and height of the new image.
    size: (u32, u32),
}

/// What becomes of an image of this size.
fn plan(have: (u32, u32), width: Option<u32>, height: Option<u32>, fit: Fit) -> Plan {
    // `value` × `to` / `from`, rounded, and at least a pixel.
    let scaled = |value: u32, to: u32, from: u32| {
        let exact = (u64::from(value) * u64::from(to) + u64::from(from) / 2) / u64::from(from.max(1));
        u32::try_from(exact.max(1)).unwrap_or(u32::MAX)
    };
    let (w, h) = have;
    let whole = |size| Plan { part: have, size };
    match (width, height, fit) {
        (None, None, _) => whole(have),
        (Some(width), None, _) => whole((width, scaled(h, width, w))),
        (None, Some(height), _) => whole((scaled(w, height, h), height)),
        (Some(width), Some(height), Fit::Stretch) => whole((width, height)),
        (Some(width), Some(height), Fit::Contain) => {
            let by_width = u64::from(w) * u64::from(height) >= u64::from(h) * u64::from(width);
            whole(if by_width { (width, scaled(h, width, w)) } else { (scaled(w, height, h), height) })
        }
        (Some(width), Some(height), Fit::Cover) => {
            let wide = u64::from(w) * u64::from(height) >= u64::from(h) * u64::from(width);
            let part = if wide { (scaled(h, width, height).min(w), h) } else { (w, scaled(w, height, width).min(h)) };
            Plan { part, size: (width, height) }
        }
    }
}

fn resized(image: DynamicImage, width: Option<u32>, height: Option<u32>, fit: Fit) -> Result<DynamicImage, ImageError> {
    let have = (image.width(), image.height());
    let Plan { part, size } = plan(have, width, height, fit);
    if size.0.max(size.1) > MADE_SIDE_MAX {
        return Err(ImageError::Side);
    }
    if part == have && size == have {
        return Ok(image);
    }
    // Resizing goes by way of an image as wide as the part and as high as the new one, of four floats a pixel.
    if u64::from(part.0) * u64::from(size.1) * 16 > READ_BYTES_MAX {
        return Err(ImageError::Large);
    }
    let (x, y) = ((have.0 - part.0) / 2, (have.1 - part.1) / 2);
    let image = if part == have { image } else { image.crop_imm(x, y, part.0, part.1) };
    Ok(image.resize_exact(size.0, size.1, FilterType::Lanczos3))
}

fn written(image: &DynamicImage, format: ImageFormat) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Cursor::new(Vec::new());
    let plain = match format {
        // No transparency there.
        ImageFormat::Jpeg => DynamicImage::from(image.to_rgb8()),
        ImageFormat::Gif | ImageFormat::WebP => DynamicImage::from(image.to_rgba8()),
        _ => return image.write_to(&mut bytes, format).map(|()| bytes.into_inner()).map_err(ImageError::Unwritable),
    };
    plain.write_to(&mut bytes, format).map_err(ImageError::Unwritable)?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests;
