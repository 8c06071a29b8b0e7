// `int4_scales` where the four lanes of a quad want the same: each loads one, the quad shares them. Neighbours in a
// one-dimensional workgroup are neighbours in a subgroup, so that four words of a row, which have one scale, are a quad.
fn int4_scales_of_quad(index: u32, stride: u32, lane: u32) -> vec4<f32> {
  let scale = int4_scale(index + (lane & 3u) * stride);
  return vec4<f32>(
    quadBroadcast(scale, 0u),
    quadBroadcast(scale, 1u),
    quadBroadcast(scale, 2u),
    quadBroadcast(scale, 3u),
  );
}
