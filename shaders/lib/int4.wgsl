// Int4 weights in MLC's layout (q4f16_1, q4f32_1): nibble i of a word is column 8k + i, value q - 7; one scale for
// 32 columns. The including kernel declares `weight` and `scale`; SCALE_F16 says whether the
// latter holds pairs of halves or one f32 a word.

fn int4_low(word: u32) -> vec4<f32> {
  return vec4<f32>((vec4<u32>(word) >> vec4<u32>(0u, 4u, 8u, 12u)) & vec4<u32>(15u)) - 7.0;
}

fn int4_high(word: u32) -> vec4<f32> {
  return vec4<f32>((vec4<u32>(word) >> vec4<u32>(16u, 20u, 24u, 28u)) & vec4<u32>(15u)) - 7.0;
}

// `index` counts scales, not words.
fn int4_scale(index: u32) -> f32 {
  if (SCALE_F16) {
    let pair = unpack2x16float(scale[index >> 1u]);
    return select(pair.x, pair.y, (index & 1u) == 1u);
  }
  return bitcast<f32>(scale[index]);
}

// Scales of four rows, `stride` apart.
fn int4_scales(index: u32, stride: u32) -> vec4<f32> {
  return vec4<f32>(
    int4_scale(index),
    int4_scale(index + stride),
    int4_scale(index + 2u * stride),
    int4_scale(index + 3u * stride),
  );
}

// Eight columns of four rows of W, a row in each column of the matrices.
struct Int4Block {
  low: mat4x4<f32>,
  high: mat4x4<f32>,
}

// `word` is the first row's, rows lie `stride` words apart; s: their scales.
fn int4_block(word: u32, stride: u32, s: vec4<f32>) -> Int4Block {
  let a = weight[word];
  let b = weight[word + stride];
  let c = weight[word + 2u * stride];
  let d = weight[word + 3u * stride];
  return Int4Block(
    mat4x4<f32>(int4_low(a) * s.x, int4_low(b) * s.y, int4_low(c) * s.z, int4_low(d) * s.w),
    mat4x4<f32>(int4_high(a) * s.x, int4_high(b) * s.y, int4_high(c) * s.z, int4_high(d) * s.w),
  );
}
