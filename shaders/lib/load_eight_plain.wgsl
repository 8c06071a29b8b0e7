// Eight consecutive values of $name, the same for all lanes.
fn load_eight_$name(index: u32, lane: u32) -> Eight {
  return Eight(
    vec4<f32>($[index$], $[index + 1u$], $[index + 2u$], $[index + 3u$]),
    vec4<f32>($[index + 4u$], $[index + 5u$], $[index + 6u$], $[index + 7u$]),
  );
}
