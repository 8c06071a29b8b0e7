// The LoRA part of a product: s·XA·Bᵀ for neighbouring columns, which lie in one part of a stack, since parts are
// multiples of 32. The including kernel declares xa: [T, PARTS·RANK], lora_b: [OUT, RANK] and `lora`.

// Four columns of s·B.
fn lora_up(column: u32, rank: u32) -> vec4<f32> {
  let b = column * RANK + rank;
  return lora.scale * vec4<f32>(lora_b[b], lora_b[b + RANK], lora_b[b + 2u * RANK], lora_b[b + 3u * RANK]);
}

// Index into xa of the first rank of the column's part.
fn lora_inner(row: u32, column: u32) -> u32 {
  let part = u32(column >= PART_END_0) + u32(column >= PART_END_1);
  return (row * PARTS + part) * RANK;
}
