package plot

import (
	"fmt"
	"html"
	"strings"
)

// style paints on light paper, and on dark for those whose system is dark:
// the paper belongs to the picture, so that it is readable on any page.
const style = `
svg { font: 13px system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; }
.paper { fill: #ffffff; } .ink { fill: #1f2328; } .soft { fill: #59636e; } .title { fill: #1f2328; font-weight: 600; font-size: 15px; }
.grid { stroke: #d8dee4; stroke-width: 1; } .axis { stroke: #818b98; stroke-width: 1; }
.mark { stroke: #cf222e; stroke-width: 1.5; stroke-dasharray: 5 4; } .marked { fill: #cf222e; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.s0 { stroke: #0969da; } .s1 { stroke: #bc4c00; } .s2 { stroke: #1a7f37; } .s3 { stroke: #8250df; }
.f0 { fill: #0969da; } .f1 { fill: #bc4c00; } .f2 { fill: #1a7f37; } .f3 { fill: #8250df; } .f4 { fill: #9aa4af; }
@media (prefers-color-scheme: dark) {
.paper { fill: #0d1117; } .ink { fill: #f0f6fc; } .soft { fill: #9198a1; } .title { fill: #f0f6fc; }
.grid { stroke: #2a313c; } .axis { stroke: #656c76; }
.mark { stroke: #f85149; } .marked { fill: #f85149; }
.s0 { stroke: #4493f8; } .s1 { stroke: #f0883e; } .s2 { stroke: #3fb950; } .s3 { stroke: #ab7df8; }
.f0 { fill: #4493f8; } .f1 { fill: #f0883e; } .f2 { fill: #3fb950; } .f3 { fill: #ab7df8; } .f4 { fill: #656c76; }
}
`

// canvas is a picture that is drawn on.
type canvas struct {
	body          strings.Builder
	width, height float64
}

func newCanvas(width, height float64, title string) *canvas {
	c := &canvas{width: width, height: height}
	c.text(16, 26, "start", "title", title)
	return c
}

// String is the finished picture.
func (c *canvas) String() string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %[1]g %[2]g" width="%[1]g" height="%[2]g" role="img"><style>%[3]s</style>
<rect class="paper" width="%[1]g" height="%[2]g"/>
%[4]s</svg>
`, c.width, c.height, style, c.body.String())
}

func (c *canvas) text(x, y float64, anchor, class, text string) {
	fmt.Fprintf(&c.body, `<text x="%.1f" y="%.1f" text-anchor="%s" class="%s">%s</text>`+"\n", x, y, anchor, class, html.EscapeString(text))
}

func (c *canvas) line(x1, y1, x2, y2 float64, class string) {
	fmt.Fprintf(&c.body, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" class="%s"/>`+"\n", x1, y1, x2, y2, class)
}

func (c *canvas) rect(x, y, width, height float64, class string) {
	fmt.Fprintf(&c.body, `<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="2" class="%s"/>`+"\n", x, y, max(0, width), max(0, height), class)
}

// path draws a line through points.
func (c *canvas) path(points [][2]float64, class string) {
	c.body.WriteString(`<polyline points="`)
	for i, p := range points {
		if i > 0 {
			c.body.WriteByte(' ')
		}
		fmt.Fprintf(&c.body, "%.1f,%.1f", p[0], p[1])
	}
	fmt.Fprintf(&c.body, `" class="line %s"/>`+"\n", class)
}
