// An adapter in halves, which decoding reads: half the bytes, and half the loads where those count.
@group(0) @binding(0) var<storage, read> floats: array<f32>;
@group(0) @binding(1) var<storage, read_write> halves: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  for (var i = id.x; i < PAIRS; i += STRIDE) {
    halves[i] = pack2x16float(vec2<f32>(floats[2u * i], floats[2u * i + 1u]));
  }
}
