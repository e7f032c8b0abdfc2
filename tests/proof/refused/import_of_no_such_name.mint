# error: [E0207] MintPairs
mint 1
import "mintnet/mint.mint" { MintPairs }
flow F on Image[1, 8, 8] ensures invertible { MintPairs(K = 4) }
