# error: [E0604] G
mint 1
flow G on Vec[D] { prior normal }
flow F on Vec[6] {
  G
  prior normal
}
