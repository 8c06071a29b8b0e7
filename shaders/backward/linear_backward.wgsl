// dX[T, IN] = dY[T, OUT] · W + s·dXB·A: the input gradient of linear.wgsl from the same int4 buffer; W's rows, packed
// along IN, are already the tile this product needs. A thread computes 8 rows by 8 columns. Overwrites dX.
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

fn operand(index: u32) -> f32 {
  return dy[index];
}

// Eight weights of a row of W and of its neighbours: rows o .. o + 7.
struct Block {
  low: mat4x4<f32>,
  high: mat4x4<f32>,
}

fn weights(row: u32, word: u32) -> Block {
  var block: Block;
  for (var i = 0u; i < 4u; i++) {
    let index = (row + i) * WORDS + word;
    let packed = weight[index];
    let s = int4_scale(index / 4u);
    block.low[i] = int4_low(packed) * s;
    block.high[i] = int4_high(packed) * s;
  }
  return block;
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
  // No early return: every lane takes part in load_eight.
  let word = workgroup.x * WORKGROUP + local.x;
  let row = workgroup.y * 8u;
  let w = min(word, WORDS - 1u);
  var low_0 = vec4<f32>();
  var high_0 = vec4<f32>();
  var low_1 = vec4<f32>();
  var high_1 = vec4<f32>();
  var low_2 = vec4<f32>();
  var high_2 = vec4<f32>();
  var low_3 = vec4<f32>();
  var high_3 = vec4<f32>();
  var low_4 = vec4<f32>();
  var high_4 = vec4<f32>();
  var low_5 = vec4<f32>();
  var high_5 = vec4<f32>();
  var low_6 = vec4<f32>();
  var high_6 = vec4<f32>();
  var low_7 = vec4<f32>();
  var high_7 = vec4<f32>();
  for (var k = 0u; k < OUT; k += 8u) {
    let first = weights(k, w);
    let second = weights(k + 4u, w);
    let index = row * OUT + k;
    let dy_0 = load_eight(index, lane.index);
    low_0 += first.low * dy_0.low + second.low * dy_0.high;
    high_0 += first.high * dy_0.low + second.high * dy_0.high;
    let dy_1 = load_eight(index + OUT, lane.index);
    low_1 += first.low * dy_1.low + second.low * dy_1.high;
    high_1 += first.high * dy_1.low + second.high * dy_1.high;
    let dy_2 = load_eight(index + 2u * OUT, lane.index);
    low_2 += first.low * dy_2.low + second.low * dy_2.high;
    high_2 += first.high * dy_2.low + second.high * dy_2.high;
    let dy_3 = load_eight(index + 3u * OUT, lane.index);
    low_3 += first.low * dy_3.low + second.low * dy_3.high;
    high_3 += first.high * dy_3.low + second.high * dy_3.high;
    let dy_4 = load_eight(index + 4u * OUT, lane.index);
    low_4 += first.low * dy_4.low + second.low * dy_4.high;
    high_4 += first.high * dy_4.low + second.high * dy_4.high;
    let dy_5 = load_eight(index + 5u * OUT, lane.index);
    low_5 += first.low * dy_5.low + second.low * dy_5.high;
    high_5 += first.high * dy_5.low + second.high * dy_5.high;
    let dy_6 = load_eight(index + 6u * OUT, lane.index);
    low_6 += first.low * dy_6.low + second.low * dy_6.high;
    high_6 += first.high * dy_6.low + second.high * dy_6.high;
    let dy_7 = load_eight(index + 7u * OUT, lane.index);
    low_7 += first.low * dy_7.low + second.low * dy_7.high;
    high_7 += first.high * dy_7.low + second.high * dy_7.high;
  }
  if (LORA && word < WORDS) {
    // The bound is not a constant: unrolled by eight rows, this made compilers take seconds.
    let inner = select(0u, INNER, batch.tokens > 0u);
    for (var j = 0u; j < inner; j++) {
      let a_low = lora.scale * lora_a[(j * WORDS + word) * 2u];
      let a_high = lora.scale * lora_a[(j * WORDS + word) * 2u + 1u];
      let index = row * INNER + j;
      let dxb_0 = dxb[index];
      low_0 += dxb_0 * a_low;
      high_0 += dxb_0 * a_high;
      let dxb_1 = dxb[index + INNER];
      low_1 += dxb_1 * a_low;
      high_1 += dxb_1 * a_high;
      let dxb_2 = dxb[index + 2u * INNER];
      low_2 += dxb_2 * a_low;
      high_2 += dxb_2 * a_high;
      let dxb_3 = dxb[index + 3u * INNER];
      low_3 += dxb_3 * a_low;
      high_3 += dxb_3 * a_high;
      let dxb_4 = dxb[index + 4u * INNER];
      low_4 += dxb_4 * a_low;
      high_4 += dxb_4 * a_high;
      let dxb_5 = dxb[index + 5u * INNER];
      low_5 += dxb_5 * a_low;
      high_5 += dxb_5 * a_high;
      let dxb_6 = dxb[index + 6u * INNER];
      low_6 += dxb_6 * a_low;
      high_6 += dxb_6 * a_high;
      let dxb_7 = dxb[index + 7u * INNER];
      low_7 += dxb_7 * a_low;
      high_7 += dxb_7 * a_high;
    }
  }
  store(row, word, low_0, high_0);
  store(row + 1u, word, low_1, high_1);
  store(row + 2u, word, low_2, high_2);
  store(row + 3u, word, low_3, high_3);
  store(row + 4u, word, low_4, high_4);
  store(row + 5u, word, low_5, high_5);
  store(row + 6u, word, low_6, high_6);
  store(row + 7u, word, low_7, high_7);
}
