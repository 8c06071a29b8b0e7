// s·XA·Bᵀ for one row and four neighbouring columns, which lie in one part of a stack: parts are multiples of 32.
// The including kernel declares xa: [T, PARTS·RANK] and lora_b: [OUT, RANK].
fn lora_up(row: u32, column: u32) -> vec4<f32> {
  if (!LORA) {
    return vec4<f32>();
  }
  const QUADS = RANK / 4u;
  let part = u32(column >= PART_END_0) + u32(column >= PART_END_1);
  var sum = vec4<f32>();
  for (var j = 0u; j < QUADS; j++) {
    let b = column * QUADS + j;
    sum += xa[(row * PARTS + part) * QUADS + j]
      * mat4x4<f32>(lora_b[b], lora_b[b + QUADS], lora_b[b + 2u * QUADS], lora_b[b + 3u * QUADS]);
  }
  return lora.scale * sum;
}
