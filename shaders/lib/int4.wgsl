// Int4 weights in MLC's layout (q4f16_1, q4f32_1): nibble i of a word is column 8k + i, value q - 7; one scale for
// 32 columns. SCALE_F16 says whether `scale` holds pairs of halves or one f32 a word.

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
