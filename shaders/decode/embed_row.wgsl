// embed.wgsl for the one token of decoding: x[D], and the shares of the LoRA that reads it. A thread writes 4 columns.
// Overwrites.
@group(0) @binding(0) var<storage, read> weight: array<u32>;
@group(0) @binding(1) var<storage, read> scale: array<u32>;
@group(0) @binding(2) var<storage, read> tokens: array<Token>;
@group(0) @binding(3) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> norm: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> next_a: array<vec4<u32>>;
@group(0) @binding(6) var<storage, read_write> shares: array<f32>;
@group(0) @binding(7) var<uniform> lora: Lora;

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) workgroup: vec3<u32>,
  @builtin(local_invocation_id) local: vec3<u32>,
  lane: Lane,
) {
  let thread = local.x;
  let column = workgroup.x * BLOCK + thread * 4u;
  var value = vec4<f32>();
  if (column < D && thread < BLOCK / 4u) {
    let index = min(tokens[0].id, VOCAB - 1u) * D + column;
    let packed = weight[index / 8u];
    value = select(int4_high(packed), int4_low(packed), index % 8u == 0u) * int4_scale(index / 32u);
    x[column / 4u] = value;
  }
  share_quad(workgroup.x, thread, lane.index, value, norm[column / 4u]);
}
