//! Buffers of known precision.

use equalinfo_kernels::{Memory, View};
use half::bf16;

/// Values in the device's memory: in f32, in bf16, or both.
///
/// Invariant: where there are both, the bf16 values are those in f32, rounded, or weights rounded as the integer model's.
pub struct GpuBuffer<M> {
    single: Option<M>,
    product: Option<M>,
    length: usize,
}

impl<M: Memory> GpuBuffer<M> {
    pub(crate) fn new(length: usize, single: Option<M>, product: Option<M>) -> Self {
        Self { single, product, length }
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    pub(crate) fn is_paired(&self) -> bool {
        self.single.is_some() && self.product.is_some()
    }

    pub(crate) fn is_f32(&self) -> bool {
        self.single.is_some()
    }

    /// The f32 values from `offset`.
    ///
    /// # Panics
    /// If the buffer holds none: the graph would mix precisions.
    #[track_caller]
    pub(crate) fn f32(&self, offset: usize) -> View<'_, M> {
        View::new(self.single.as_ref().expect("a buffer in f32")).skip::<f32>(offset)
    }

    /// The bf16 values from `offset`.
    ///
    /// # Panics
    /// If the buffer holds none.
    #[track_caller]
    pub(crate) fn bf16(&self, offset: usize) -> View<'_, M> {
        View::new(self.product.as_ref().expect("a buffer in bf16")).skip::<bf16>(offset)
    }

    pub(crate) fn memories(&self) -> impl Iterator<Item = &M> {
        self.single.iter().chain(&self.product)
    }
}
