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
  var low_sum = low;
  var high_sum = high;
  if (LORA) {
    for (var j = 0u; j < INNER; j++) {
      let factor = lora.scale * dxb[row * INNER + j];
      low_sum += factor * lora_a[(j * WORDS + word) * 2u];
      high_sum += factor * lora_a[(j * WORDS + word) * 2u + 1u];
    }
  }
  dx[(row * WORDS + word) * 2u] = low_sum;
  dx[(row * WORDS + word) * 2u + 1u] = high_sum;
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
  store(row, word, low_0, high_0);
  store(row + 1u, word, low_1, high_1);
  store(row + 2u, word, low_2, high_2);
  store(row + 3u, word, low_3, high_3);
  store(row + 4u, word, low_4, high_4);
  store(row + 5u, word, low_5, high_5);
  store(row + 6u, word, low_6, high_6);
  store(row + 7u, word, low_7, high_7);
}
