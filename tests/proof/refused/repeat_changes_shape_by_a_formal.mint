# error: [E0901] K
# how often the image is halved decides its shape
mint 1
flow F(K: Nat = 2) on Image[1, 8, 8] ensures invertible { repeat K { squeeze 2 } }
