# proves: F: invertible
# class: F: bijection of R^D
mint 1
import "mintnet/mint.mint" { Mint, MintPair }
import "cinc/conv.mint" { CInC }
flow F on Image[4, 6, 6] ensures invertible {
  MintPair(K = 2)
  CInC
  Mint(K = 1, tri = upper, h = leaky_relu(0.01), weights = fan_in_uniform)
}
