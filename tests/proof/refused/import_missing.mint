# error: [E0202] "mintnet/mint2.mint"
mint 1
import "mintnet/mint2.mint" { Mint }
flow F on Image[1, 8, 8] ensures invertible { Mint(K = 4, tri = lower) }
