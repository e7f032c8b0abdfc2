# error: [E0206] raster
mint 1
order raster = (w, h, c)
layer A on Image[C, H, W] ensures invertible { map x -> x }
