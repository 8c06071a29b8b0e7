// dX[T, IN] = dY[T, OUT] · W + s·dXB·A: the input gradient of linear.wgsl from the same int4 buffer; W's rows, packed
// along IN, are already the tile this product needs. A thread computes ROWS rows by 8 columns. Overwrites dX.
// dxb: dY·B, [T, INNER]; lora_a: [INNER, IN], INNER = PARTS·RANK.
@group(0) @binding(0) var<storage, read> weight: array<u32>;
@group(0) @binding(1) var<storage, read> scale: array<u32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read> dxb: array<f32>;
@group(0) @binding(4) var<storage, read> lora_a: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> dx: array<vec4<f32>>;
@group(0) @binding(6) var<uniform> lora: Lora;
@group(0) @binding(7) var<uniform> batch: Batch;

const WORDS = IN / 8u;

fn weights(row: u32, word: u32, lane: u32) -> Int4Block {
  let index = row * WORDS + word;
  return int4_block(index, WORDS, int4_scales_of_quad(index / 4u, WORDS / 4u, lane));
}

fn add_row(
  index: u32,
  lane: u32,
  first: Int4Block,
  second: Int4Block,
  low: ptr<function, vec4<f32>>,
  high: ptr<function, vec4<f32>>,
) {
  let values = load_eight_dy(index, lane);
  *low += first.low * values.low + second.low * values.high;
  *high += first.high * values.low + second.high * values.high;
}

fn store(row: u32, word: u32, low: vec4<f32>, high: vec4<f32>) {
  if (row >= batch.tokens || word >= WORDS) {
    return;
  }
  dx[(row * WORDS + word) * 2u] = low;
  dx[(row * WORDS + word) * 2u + 1u] = high;
}

@compute @workgroup_size(WORKGROUP)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  lane: Lane,
) {
  // No early return: every lane takes part in loads that are shared.
  let word = workgroup.x * WORKGROUP + local.x;
  let row = workgroup.y * ROWS;
  let w = min(word, WORDS - 1u);
  var low_$r = vec4<f32>();
  var high_$r = vec4<f32>();
  for (var k = 0u; k < OUT; k += 8u) {
    let first = weights(k, w, lane.index);
    let second = weights(k + 4u, w, lane.index);
    let index = row * OUT + k;
    add_row(index + $r * OUT, lane.index, first, second, &low_$r, &high_$r);
  }
  if (LORA && word < WORDS) {
    // The bound is not a constant: unrolled by all rows, this made compilers take seconds.
    let inner = select(0u, INNER, batch.tokens > 0u);
    for (var j = 0u; j < inner; j++) {
      let a_low = lora.scale * lora_a[(j * WORDS + word) * 2u];
      let a_high = lora.scale * lora_a[(j * WORDS + word) * 2u + 1u];
      let index = row * INNER + j;
      let dxb_$r = dxb[index + $r * INNER];
      low_$r += dxb_$r * a_low;
      high_$r += dxb_$r * a_high;
    }
  }
  store(row + $r, word, low_$r, high_$r);
}
