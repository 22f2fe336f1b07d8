//! The arithmetic of windows that slide along an axis, as convolution and pooling do.

use std::ops::Range;

/// A window that slides along one axis, and reads some elements at each of its positions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    /// Elements it reads.
    pub(super) kernel: usize,
    /// Step from one position to the next.
    pub(super) stride: usize,
    /// Distance of the elements it reads.
    pub(super) dilation: usize,
    /// Elements added before and after the axis.
    pub(super) padding: [usize; 2],
}

impl Window {
    /// From the first element it reads to the last, both included.
    fn extent(self) -> Result<usize, String> {
        if self.kernel == 0 || self.stride == 0 || self.dilation == 0 {
            return Err("kernel, stride and dilation must be at least 1".to_string());
        }
        (self.kernel - 1)
            .checked_mul(self.dilation)
            .and_then(|extent| extent.checked_add(1))
            .ok_or_else(|| format!("kernel {} is too large", self.kernel))
    }

    /// Its positions on an axis of `size` elements, and the elements at the end of the
    /// padded axis that no position reads.
    pub(super) fn positions(self, size: usize) -> Result<(usize, usize), String> {
        let extent = self.extent()?;
        let [before, after] = self.padding;
        let padded = size.checked_add(before).and_then(|padded| padded.checked_add(after));
        let padded = padded.ok_or_else(|| format!("padding {:?} is too large", self.padding))?;
        match padded.checked_sub(extent) {
            Some(slack) => Ok((slack / self.stride + 1, slack % self.stride)),
            None => Err(format!("kernel {} is larger than the padded input", self.kernel)),
        }
    }

    /// The size of an axis on which it has `positions` positions and leaves `unread` elements
    /// at the end unread: the inverse of [`positions`](Self::positions).
    pub(super) fn axis(self, positions: usize, unread: usize) -> Result<usize, String> {
        let extent = self.extent()?;
        if positions == 0 {
            return Err("the input must be at least 1 high and wide".to_string());
        }
        if unread >= self.stride {
            return Err("output padding must be smaller than the stride".to_string());
        }
        let padded = (positions - 1)
            .checked_mul(self.stride)
            .and_then(|size| size.checked_add(extent))
            .and_then(|size| size.checked_add(unread))
            .ok_or_else(|| format!("stride {} is too large", self.stride))?;
        let [before, after] = self.padding;
        before
            .checked_add(after)
            .and_then(|padding| padded.checked_sub(padding))
            .filter(|&size| size > 0)
            .ok_or_else(|| "padding removes the whole output".to_string())
    }

    /// The element that `tap`, one of the elements it reads, is at a position, if it is on an
    /// axis of `size` elements rather than in the padding.
    pub(super) fn element(self, position: usize, tap: usize, size: usize) -> Option<usize> {
        let padded = position * self.stride + tap * self.dilation;
        padded.checked_sub(self.padding[0]).filter(|&element| element < size)
    }

    /// The positions, of so many, at which `tap` is on an axis of `size` elements.
    pub(super) fn on_axis(self, tap: usize, size: usize, positions: usize) -> Range<usize> {
        let [before, _] = self.padding;
        let offset = tap * self.dilation;
        let start = before.saturating_sub(offset).div_ceil(self.stride);
        let end = (size + before).saturating_sub(offset).div_ceil(self.stride).min(positions);
        start.min(end)..end
    }

    /// Whether every position surely reads some of the axis, not padding alone.
    pub(super) fn meets(self, size: usize) -> bool {
        let reach = self.kernel.saturating_sub(1).saturating_mul(self.dilation);
        let [before, after] = self.padding;
        // From before the axis, a step longer than the axis may leap over it.
        before <= reach && after <= reach && (before == 0 || self.dilation <= size)
    }
}
