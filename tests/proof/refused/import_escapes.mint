# error: [E0205] "./../../../secret.mint"
mint 1
import "./../../../secret.mint" { Mint }
flow F on Image[1, 8, 8] ensures invertible { Mint(K = 4, tri = lower) }
