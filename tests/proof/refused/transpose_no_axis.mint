# error: [E0304] transpose(time, channel)
# an Image has no tokens
mint 1
flow F on Image[2, 3, 4] ensures invertible { transpose(time, channel) }
