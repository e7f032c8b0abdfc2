# error: [E0303] squeeze 2
mint 1
flow G on Image[C, H, W] ensures invertible { squeeze 2  unsqueeze 2 }
flow F on Image[1, 7, 7] ensures invertible { G }
