// Four neighbouring columns of s·B. The including kernel declares lora_b: [OUT, RANK] and `lora`.
fn lora_up(column: u32, rank: u32) -> vec4<f32> {
  let b = column * RANK + rank;
  return lora.scale * vec4<f32>(lora_b[b], lora_b[b + RANK], lora_b[b + 2u * RANK], lora_b[b + 3u * RANK]);
}
