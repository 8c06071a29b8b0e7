// Y[T, OUT] = X[T, IN] · Wᵀ + s·XA·Bᵀ (+ residual), W[OUT, IN] a stack of int4 matrices with a LoRA for each part
// (Hu et al. 2021, eq. 3). A thread computes 8 rows by 4 columns. Overwrites Y.
@group(0) @binding(0) var<storage, read> weight: array<u32>;
@group(0) @binding(1) var<storage, read> scale: array<u32>;
@group(0) @binding(2) var<storage, read> x: array<Activation>;
@group(0) @binding(3) var<storage, read> xa: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> lora_b: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> residual: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> y: array<vec4<f32>>;
@group(0) @binding(7) var<uniform> lora: Lora;
@group(0) @binding(8) var<uniform> batch: Batch;

const WORDS = IN / 8u;
const GROUPS = IN / 32u;

fn operand(index: u32) -> f32 {
  return f32(x[index]);
}

fn times(index: u32, lane: u32, low: mat4x4<f32>, high: mat4x4<f32>) -> vec4<f32> {
  let values = load_eight(index, lane);
  return values.low * low + values.high * high;
}

fn store(row: u32, column: u32, value: vec4<f32>) {
  if (row >= batch.tokens || column >= OUT) {
    return;
  }
  let index = (row * OUT + column) / 4u;
  var total = value;
  if (RESIDUAL) {
    total += residual[index];
  }
  y[index] = total;
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  lane: Lane,
) {
  // No early return: every lane takes part in load_eight.
  let column = (workgroup.x * WORKGROUP + local.x) * 4u;
  let row = workgroup.y * 8u;
  let w0 = min(column, OUT - 4u) * WORDS;
  let s0 = min(column, OUT - 4u) * GROUPS;
  var y0 = vec4<f32>();
  var y1 = vec4<f32>();
  var y2 = vec4<f32>();
  var y3 = vec4<f32>();
  var y4 = vec4<f32>();
  var y5 = vec4<f32>();
  var y6 = vec4<f32>();
  var y7 = vec4<f32>();
  for (var word = 0u; word < WORDS; word++) {
    let group = s0 + word / 4u;
    let s = vec4<f32>(
      int4_scale(group),
      int4_scale(group + GROUPS),
      int4_scale(group + 2u * GROUPS),
      int4_scale(group + 3u * GROUPS),
    );
    let a = weight[w0 + word];
    let b = weight[w0 + word + WORDS];
    let c = weight[w0 + word + 2u * WORDS];
    let d = weight[w0 + word + 3u * WORDS];
    let low = mat4x4<f32>(int4_low(a) * s.x, int4_low(b) * s.y, int4_low(c) * s.z, int4_low(d) * s.w);
    let high = mat4x4<f32>(int4_high(a) * s.x, int4_high(b) * s.y, int4_high(c) * s.z, int4_high(d) * s.w);
    let k = row * IN + word * 8u;
    y0 += times(k, lane.index, low, high);
    y1 += times(k + IN, lane.index, low, high);
    y2 += times(k + 2u * IN, lane.index, low, high);
    y3 += times(k + 3u * IN, lane.index, low, high);
    y4 += times(k + 4u * IN, lane.index, low, high);
    y5 += times(k + 5u * IN, lane.index, low, high);
    y6 += times(k + 6u * IN, lane.index, low, high);
    y7 += times(k + 7u * IN, lane.index, low, high);
  }
  if (LORA && column < OUT) {
    // The bound is not a constant: unrolled by eight rows, this made compilers take seconds.
    let quads = select(0u, QUADS, batch.tokens > 0u);
    for (var quad = 0u; quad < quads; quad++) {
      let b = lora_up(column, quad);
      let inner = lora_inner(row, column) + quad;
      y0 += xa[inner] * b;
      y1 += xa[inner + PARTS * QUADS] * b;
      y2 += xa[inner + 2u * PARTS * QUADS] * b;
      y3 += xa[inner + 3u * PARTS * QUADS] * b;
      y4 += xa[inner + 4u * PARTS * QUADS] * b;
      y5 += xa[inner + 5u * PARTS * QUADS] * b;
      y6 += xa[inner + 6u * PARTS * QUADS] * b;
      y7 += xa[inner + 7u * PARTS * QUADS] * b;
    }
  }
  store(row, column, y0);
  store(row + 1u, column, y1);
  store(row + 2u, column, y2);
  store(row + 3u, column, y3);
  store(row + 4u, column, y4);
  store(row + 5u, column, y5);
  store(row + 6u, column, y6);
  store(row + 7u, column, y7);
}
