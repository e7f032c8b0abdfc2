# error: [E0604] prior normal
mint 1
flow F on Image[1, 8, 8] {
  prior normal
  squeeze 2
}
