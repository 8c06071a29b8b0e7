// H[count, D] = rows of X that have a target, from target `start` on. Overwrites.
@group(0) @binding(0) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> targets: array<Target>;
@group(0) @binding(2) var<storage, read_write> h: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> chunk: Chunk;

const COLUMNS = D / 4u;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= COLUMNS || id.y >= chunk.count) {
    return;
  }
  h[id.y * COLUMNS + id.x] = x[targets[chunk.start + id.y].row * COLUMNS + id.x];
}
