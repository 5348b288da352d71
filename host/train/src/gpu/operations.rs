//! The operations of the training graph, each a call or two of the kernels.

use equalinfo_kernels::attention::{self, AttentionOutput};
use equalinfo_kernels::cross_entropy::{self, CrossEntropyPlan};
use equalinfo_kernels::embedding::{self, DeviceOrder, Order};
use equalinfo_kernels::gemm::{self, TokenParts};
use equalinfo_kernels::{Driver, Memory, View, muon, norm, optimizer, reglu, rounding};

use half::bf16;

use super::{Gpu, GpuBuffer, GpuIndices, PlacedOrder, REPORT_BYTES, SUM_BYTES};
use crate::device::{
    Adafactor, AdafactorShape, AdamW, At, AtMut, AttentionInput, AttentionShape, CrossEntropyGradient, Device,
    LinearShape, Loss, Muon, Objective, Part, Report, TokenLosses,
};

fn attention_shape(shape: AttentionShape) -> attention::AttentionShape {
    attention::AttentionShape { tokens: shape.tokens, heads: shape.heads }
}

type Buffer<D> = GpuBuffer<<D as Driver>::Buffer>;
type Indices<D> = GpuIndices<<D as Driver>::Buffer>;

impl<D: Driver> Gpu<D> {
    fn attention_input<'a>(
        &self,
        input: &AttentionInput<'a, Self>,
    ) -> Option<attention::AttentionInput<'a, D::Buffer>> {
        Some(attention::AttentionInput {
            qkv: input.qkv.bf16(0),
            bias: input.bias.0.f32(input.bias.1),
            starts: View::new(input.starts.memory.as_ref()?),
        })
    }

    /// Cross-entropy of a whole batch: its sum, added to `total`, and what the places of losses and `gradient` ask for.
    #[allow(clippy::too_many_arguments)]
    fn loss(
        &self,
        shape: LinearShape,
        [x, w]: [View<D::Buffer>; 2],
        targets: &Indices<D>,
        objective: Objective,
        total: &D::Buffer,
        [nats, behind]: [Option<View<D::Buffer>>; 2],
        gradient: Option<cross_entropy::Gradient<D::Buffer>>,
    ) {
        let Some(targets) = &targets.memory else { return };
        let plan = CrossEntropyPlan::new(shape, self.multiprocessors);
        let input = cross_entropy::Input { x, w, targets: View::new(targets) };
        let output = cross_entropy::Output { total: View::new(total), nats, behind, gradient };
        self.run_with(plan.workspace_bytes(output.gradient.is_some()), |driver, workspace| {
            cross_entropy::cross_entropy(driver, plan, objective, &input, &output, workspace)
        });
    }

    /// What an update moves; all of it begins at the same offset.
    fn updated<'a>(
        report: &'a D::Buffer,
        gradients: At<'a, Buffer<D>>,
        parameters: &'a AtMut<'a, Buffer<D>>,
    ) -> optimizer::Parameters<'a, D::Buffer> {
        optimizer::Parameters {
            gradients: gradients.0.f32(gradients.1),
            parameters: parameters.0.f32(parameters.1),
            product: parameters.0.bf16(parameters.1),
            norm_and_factor: View::new(report).skip::<u8>(SUM_BYTES),
        }
    }
}

impl<D: Driver> Device for Gpu<D> {
    type Buffer = Buffer<D>;
    type Indices = Indices<D>;

    fn zeros(&self, length: usize) -> Buffer<D> {
        GpuBuffer::new(length, self.allocate(4 * length), None)
    }

    fn activations(&self, length: usize) -> Buffer<D> {
        GpuBuffer::new(length, None, self.allocate(2 * length))
    }

    fn paired(&self, length: usize) -> Buffer<D> {
        GpuBuffer::new(length, self.allocate(4 * length), self.allocate(2 * length))
    }

    fn fill_zero(&mut self, buffer: &mut Buffer<D>) {
        for memory in buffer.memories() {
            self.run(|driver| driver.zero(View::new(memory), memory.bytes()));
        }
    }

    fn write(&mut self, buffer: AtMut<Buffer<D>>, values: &[f32]) {
        let AtMut(buffer, offset) = buffer;
        self.run(|driver| driver.upload(buffer.f32(offset), bytemuck::cast_slice(values)));
        self.renew_product(buffer, offset, values.len());
    }

    fn read(&self, buffer: At<Buffer<D>>, length: usize) -> Vec<f32> {
        let At(buffer, offset) = buffer;
        if self.failure.borrow().is_some() {
            vec![0.0; length]
        } else if buffer.is_f32() {
            self.download(buffer.f32(offset), length)
        } else {
            self.download::<bf16>(buffer.bf16(offset), length).into_iter().map(bf16::to_f32).collect()
        }
    }

    fn indices(&self, values: &[u32]) -> Indices<D> {
        GpuIndices { memory: self.uploaded(bytemuck::cast_slice(values)), length: values.len(), order: None }
    }

    fn symbols(&self, values: &[u32]) -> Indices<D> {
        let rows = values.iter().max().map_or(0, |most| *most as usize + 1);
        let order = Order::new(values, rows);
        let mut bytes = bytemuck::cast_slice(values).to_vec();
        let mut place = |list: &[u8]| {
            bytes.resize(bytes.len().next_multiple_of(256), 0);
            let start = bytes.len();
            bytes.extend_from_slice(list);
            start
        };
        let order = PlacedOrder {
            positions: place(bytemuck::cast_slice(&order.positions)),
            pieces: place(bytemuck::cast_slice(&order.pieces)),
            joined: place(bytemuck::cast_slice(&order.joined)),
            piece_count: order.pieces.len(),
            joined_count: order.joined.len(),
            workspace_rows: order.workspace_rows(),
        };
        GpuIndices { memory: self.uploaded(&bytes), length: values.len(), order: Some(order) }
    }

    fn linear(&mut self, shape: LinearShape, x: &Buffer<D>, w: At<Buffer<D>>, y: &mut Buffer<D>) {
        self.run(|driver| gemm::linear_forward(driver, shape, x.bf16(0), w.0.bf16(w.1), y.bf16(0)));
    }

    fn linear_residual(
        &mut self,
        shape: LinearShape,
        x: &Buffer<D>,
        w: At<Buffer<D>>,
        residual: &Buffer<D>,
        y: &mut Buffer<D>,
    ) {
        self.run(|driver| {
            let (x, w) = (x.bf16(0), w.0.bf16(w.1));
            gemm::linear_forward_residual(driver, shape, x, w, residual.f32(0), y.f32(0))
        });
    }

    fn linear_reglu(
        &mut self,
        shape: LinearShape,
        x: &Buffer<D>,
        w: At<Buffer<D>>,
        gate_linear: &mut Buffer<D>,
        h: &mut Buffer<D>,
    ) {
        let half = LinearShape { outputs: shape.outputs / 2, ..shape };
        self.run(|driver| {
            let gate_linear = Some(gate_linear.bf16(0));
            gemm::linear_forward_reglu(driver, half, x.bf16(0), w.0.bf16(w.1), gate_linear, h.bf16(0))
        });
    }

    fn linear_backward_input(&mut self, shape: LinearShape, dy: &Buffer<D>, w: At<Buffer<D>>, dx: &mut Buffer<D>) {
        self.run(|driver| gemm::linear_backward_input(driver, shape, dy.bf16(0), w.0.bf16(w.1), dx.bf16(0)));
    }

    fn linear_backward_reglu(
        &mut self,
        shape: LinearShape,
        dy: &Buffer<D>,
        w: At<Buffer<D>>,
        gate_linear: &Buffer<D>,
        _dh: &mut Buffer<D>,
        dgate_linear: &mut Buffer<D>,
    ) {
        self.run(|driver| {
            let (dy, w) = (dy.bf16(0), w.0.bf16(w.1));
            let (gate_linear, dgate_linear) = (gate_linear.bf16(0), dgate_linear.bf16(0));
            gemm::linear_backward_input_reglu(driver, shape, dy, w, gate_linear, dgate_linear)
        });
    }

    fn linear_backward_weight(&mut self, shape: LinearShape, dy: &Buffer<D>, x: &Buffer<D>, dw: AtMut<Buffer<D>>) {
        let parts = TokenParts::new(shape, self.multiprocessors);
        self.run_with(4 * parts.workspace(shape), |driver, workspace| {
            let workspace = Some(workspace);
            gemm::linear_backward_weight(driver, shape, parts, dy.bf16(0), x.bf16(0), workspace, dw.0.f32(dw.1))
        });
    }

    fn embed(
        &mut self,
        width: usize,
        symbols: &Indices<D>,
        table: At<Buffer<D>>,
        scale: f32,
        x: &mut Buffer<D>,
        accumulate: bool,
    ) {
        let (tokens, Some(symbols)) = (symbols.length, &symbols.memory) else { return };
        self.run(|driver| {
            let (symbols, table) = (View::new(symbols), table.0.f32(table.1));
            embedding::embedding(driver, tokens, width, scale, symbols, table, x.f32(0), accumulate)
        });
    }

    fn embed_backward(
        &mut self,
        width: usize,
        symbols: &Indices<D>,
        dx: &Buffer<D>,
        scale: f32,
        dtable: AtMut<Buffer<D>>,
    ) {
        let (Some(memory), Some(order)) = (&symbols.memory, &symbols.order) else { return };
        self.run_with(4 * order.workspace_rows * width, |driver, workspace| {
            let [positions, pieces, joined] =
                [order.positions, order.pieces, order.joined].map(|offset| View::new(memory).skip::<u8>(offset));
            let device_order = DeviceOrder {
                positions,
                pieces,
                piece_count: order.piece_count,
                joined,
                joined_count: order.joined_count,
                workspace,
                workspace_rows: order.workspace_rows,
            };
            embedding::embedding_backward(driver, width, scale, &device_order, dx.f32(0), dtable.0.f32(dtable.1))
        });
    }

    fn rms_norm(&mut self, width: usize, tokens: usize, x: &Buffer<D>, y: &mut Buffer<D>, inverse: &mut Buffer<D>) {
        self.run(|driver| norm::rms_norm(driver, tokens, width, x.f32(0), y.bf16(0), inverse.f32(0)));
    }

    fn rms_norm_backward(
        &mut self,
        width: usize,
        tokens: usize,
        x: &Buffer<D>,
        inverse: &Buffer<D>,
        dy: &Buffer<D>,
        dx: &mut Buffer<D>,
        accumulate: bool,
    ) {
        self.run(|driver| {
            let (x, inverse, dy) = (x.f32(0), inverse.f32(0), dy.bf16(0));
            let (dx, copy) = (dx.f32(0), dx.is_paired().then(|| dx.bf16(0)));
            norm::rms_norm_backward(driver, tokens, width, x, inverse, dy, dx, copy, accumulate)
        });
    }

    fn attention(
        &mut self,
        shape: AttentionShape,
        input: AttentionInput<Self>,
        out: &mut Buffer<D>,
        lse: &mut Buffer<D>,
    ) {
        let Some(input) = self.attention_input(&input) else { return };
        self.run(|driver| attention::attention_forward(driver, attention_shape(shape), input, out.bf16(0), lse.f32(0)));
    }

    fn attention_backward(
        &mut self,
        shape: AttentionShape,
        input: AttentionInput<Self>,
        out: Option<&Buffer<D>>,
        lse: &Buffer<D>,
        dout: &Buffer<D>,
        dqkv: &mut Buffer<D>,
        dbias: AtMut<Buffer<D>>,
    ) {
        let Some(input) = self.attention_input(&input) else { return };
        let shape = attention_shape(shape);
        let sums = (4 * shape.backward_workspace()).next_multiple_of(256);
        // Where the output was rounded after the forward pass, it is made anew, with its sums, which come out the same.
        let values = shape.tokens * shape.heads * attention::HEAD;
        let again = if out.is_some() { 0 } else { (2 * values).next_multiple_of(256) + 4 * shape.tokens * shape.heads };
        self.run_with(sums + again, |driver, workspace| {
            let room = workspace.skip::<u8>(sums);
            let (out, lse) = match out {
                Some(out) => (out.bf16(0), lse.f32(0)),
                None => {
                    let lse = room.skip::<u8>((2 * values).next_multiple_of(256));
                    attention::attention_forward(driver, shape, input, room, lse)?;
                    (room, lse)
                }
            };
            let output = AttentionOutput { out, lse };
            let (dqkv, dbias) = (dqkv.bf16(0), dbias.0.f32(dbias.1));
            attention::attention_backward(driver, shape, input, output, dout.bf16(0), workspace, dqkv, dbias)
        });
    }

    fn reglu(&mut self, width: usize, tokens: usize, gate_linear: &Buffer<D>, h: &mut Buffer<D>) {
        self.run(|driver| reglu::reglu(driver, tokens, width, gate_linear.bf16(0), h.bf16(0)));
    }

    fn reglu_backward(
        &mut self,
        width: usize,
        tokens: usize,
        gate_linear: &Buffer<D>,
        dh: &Buffer<D>,
        dgate_linear: &mut Buffer<D>,
    ) {
        self.run(|driver| {
            reglu::reglu_backward(driver, tokens, width, gate_linear.bf16(0), dh.bf16(0), dgate_linear.bf16(0))
        });
    }

    fn cross_entropy(
        &mut self,
        shape: LinearShape,
        x: &Buffer<D>,
        w: At<Buffer<D>>,
        targets: &Indices<D>,
        objective: Objective,
        gradient: Option<CrossEntropyGradient<Buffer<D>>>,
    ) {
        if self.failure.borrow().is_some() {
            return;
        }
        let Some(total) = &self.report else { return };
        let gradient = gradient.as_ref().map(|CrossEntropyGradient { scale, dx, dw }| cross_entropy::Gradient {
            scale: *scale,
            dx: dx.bf16(0),
            dw: dw.0.f32(dw.1),
        });
        self.loss(shape, [x.bf16(0), w.0.bf16(w.1)], targets, objective, total, [None, None], gradient);
    }

    fn token_losses(
        &mut self,
        shape: LinearShape,
        x: &Buffer<D>,
        w: At<Buffer<D>>,
        targets: &Indices<D>,
    ) -> TokenLosses {
        let places = [self.zeros(shape.tokens), self.zeros(shape.tokens)];
        let total = self.allocate(SUM_BYTES);
        if let (None, Some(total)) = (self.failure.borrow().as_ref(), &total) {
            let matrices = [x.bf16(0), w.0.bf16(w.1)];
            let places = places.each_ref().map(|places| Some(places.f32(0)));
            self.loss(shape, matrices, targets, Objective::default(), total, places, None);
        }
        let [nats, logit_gaps] = places.each_ref().map(|places| self.read(At(places, 0), shape.tokens));
        TokenLosses { nats, logit_gaps }
    }

    fn fake_quantize(
        &mut self,
        rows: usize,
        stride: usize,
        columns: std::ops::Range<usize>,
        step: f32,
        x: &mut Buffer<D>,
    ) {
        self.run(|driver| rounding::fake_quantize(driver, rows, stride, columns, step, x.bf16(0)));
    }

    fn fake_quantize_backward(
        &mut self,
        rows: usize,
        stride: usize,
        columns: std::ops::Range<usize>,
        step: f32,
        x: &Buffer<D>,
        dx: &mut Buffer<D>,
    ) {
        self.run(|driver| rounding::fake_quantize_backward(driver, rows, stride, columns, step, x.bf16(0), dx.bf16(0)));
    }

    fn ranks(&self) -> (usize, usize) {
        self.collective.as_ref().map_or((0, 1), |collective| collective.ranks())
    }

    fn all_reduce(&mut self, values: &mut Buffer<D>, length: usize) {
        self.exchange(|collective, driver| collective.all_reduce(driver, values.f32(0), length));
        self.renew_product(values, 0, length);
    }

    fn reduce_scatter(&mut self, values: &mut Buffer<D>, piece: usize) {
        self.exchange(|collective, driver| collective.reduce_scatter(driver, values.f32(0), piece));
        self.renew_product(values, 0, values.len());
    }

    fn all_gather(&mut self, values: &mut Buffer<D>, piece: usize) {
        self.exchange(|collective, driver| collective.all_gather(driver, values.f32(0), piece));
        self.renew_product(values, 0, values.len());
    }

    fn clip_gradients(&mut self, gradients: At<Buffer<D>>, length: usize, part: Part, clip: f32) {
        let Some(report) = &self.report else { return };
        let partials = optimizer::partials(length);
        // The sum of all partial sums follows them.
        self.run_with(8 * (partials + 1), |driver, workspace| {
            optimizer::sum_of_squares(driver, length, gradients.0.f32(gradients.1), workspace)?;
            let norm_and_factor = View::new(report).skip::<u8>(SUM_BYTES);
            if part == Part::Whole {
                return optimizer::clip_factor(driver, partials, clip, workspace, norm_and_factor);
            }
            let total = workspace.skip::<f64>(partials);
            optimizer::add_squares(driver, partials, workspace, total)?;
            self.exchange(|collective, driver| collective.sum(driver, total));
            optimizer::clip_factor(driver, 1, clip, total, norm_and_factor)
        });
    }

    fn take_report(&mut self) -> Report {
        let Some(report) = &self.report else { return Report::default() };
        let mut bytes = [0; REPORT_BYTES];
        self.run(|driver| {
            driver.download(View::new(report), &mut bytes)?;
            driver.zero(View::new(report), SUM_BYTES)
        });
        let double = |at: usize| f64::from_ne_bytes(std::array::from_fn(|i| bytes[at + i]));
        let norm = f32::from_ne_bytes(std::array::from_fn(|i| bytes[SUM_BYTES + i]));
        Report { loss: Loss { nats: double(0), count: double(8) as u64 }, gradient_norm: norm.into() }
    }

    fn adamw(
        &mut self,
        update: AdamW,
        length: usize,
        gradients: At<Buffer<D>>,
        parameters: AtMut<Buffer<D>>,
        moments: [AtMut<Buffer<D>>; 2],
    ) {
        let Some(report) = &self.report else { return };
        self.run(|driver| {
            let moments = moments.each_ref().map(|moment| moment.0.f32(moment.1));
            optimizer::adamw(driver, length, update, Self::updated(report, gradients, &parameters), moments)
        });
    }

    fn muon(
        &mut self,
        update: Muon,
        gradients: At<Buffer<D>>,
        parameters: AtMut<Buffer<D>>,
        momentum: AtMut<Buffer<D>>,
    ) {
        let Some(report) = &self.report else { return };
        self.run_with(update.workspace_bytes(), |driver, workspace| {
            let tensor = Self::updated(report, gradients, &parameters);
            muon::muon(driver, update, tensor, momentum.0.f32(momentum.1), workspace)
        });
    }

    fn adafactor(
        &mut self,
        update: Adafactor,
        shape: AdafactorShape,
        gradients: At<Buffer<D>>,
        parameters: AtMut<Buffer<D>>,
        state: AtMut<Buffer<D>>,
    ) {
        let AdafactorShape { rows, columns, factored } = shape;
        let Adafactor { learning_rate, decay } = update;
        let update = optimizer::Adafactor { rows, columns, factored, learning_rate, decay };
        let Some(report) = &self.report else { return };
        self.run_with(update.workspace_bytes(), |driver, workspace| {
            let tensor = Self::updated(report, gradients, &parameters);
            optimizer::adafactor(driver, update, tensor, state.0.f32(state.1), workspace)
        });
    }
}
