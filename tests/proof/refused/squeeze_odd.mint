# error: [E0302] squeeze 2
mint 1
flow F on Image[1, 14, 14] ensures invertible {
  squeeze 2
  squeeze 2
}
