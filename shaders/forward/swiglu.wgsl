// H[T, F] = silu(gate)·up (Shazeer 2020), gate_up: [T, 2F], gate first. Overwrites.
@group(0) @binding(0) var<storage, read> gate_up: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> h: array<vec4<Activation>>;
@group(0) @binding(2) var<uniform> batch: Batch;

const COLUMNS = F / 4u;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= COLUMNS || id.y >= batch.tokens) {
    return;
  }
  let gate = gate_up[id.y * 2u * COLUMNS + id.x];
  let up = gate_up[(id.y * 2u + 1u) * COLUMNS + id.x];
  let product = gate / (1.0 + exp(-gate)) * up;
  h[id.y * COLUMNS + id.x] = vec4<Activation>(clamp(product, vec4<f32>(-LARGEST), vec4<f32>(LARGEST)));
}
