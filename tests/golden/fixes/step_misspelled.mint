mint 1
flow F on Image[1, 4, 4] {
  squeeze 2
}
