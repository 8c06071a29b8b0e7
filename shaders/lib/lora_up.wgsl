// The LoRA part of a product: s·XA·Bᵀ for neighbouring columns, which lie in one part of a stack, since parts are
// multiples of 32. The including kernel declares xa: [T, PARTS·RANK], lora_b: [OUT, RANK] and `lora`.
const QUADS = RANK / 4u;

// Four ranks of four columns of s·B.
fn lora_up(column: u32, quad: u32) -> mat4x4<f32> {
  let b = column * QUADS + quad;
  return lora.scale * mat4x4<f32>(lora_b[b], lora_b[b + QUADS], lora_b[b + 2u * QUADS], lora_b[b + 3u * QUADS]);
}

// Index into xa of the first rank of the column's part.
fn lora_inner(row: u32, column: u32) -> u32 {
  let part = u32(column >= PART_END_0) + u32(column >= PART_END_1);
  return (row * PARTS + part) * QUADS;
}
