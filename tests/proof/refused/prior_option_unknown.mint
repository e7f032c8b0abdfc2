# error: [E0209] pixel
mint 1
flow F on Vec[4] ensures invertible { prior learned_normal(per = pixel) }
