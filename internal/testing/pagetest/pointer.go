package pagetest

import (
	"fmt"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// Point is a place in an element: shares of its width and height, from 0 to 1.
type Point struct{ X, Y float64 }

// Drag presses the button at one point of the element with that selector, moves to
// another and lets it go.
func (w *Window) Drag(selector string, from, to Point) {
	w.t.Helper()
	at := w.box(selector)
	w.Do(w.mouse(input.DispatchMouseEventTypeMouseMoved, at(from), 0),
		w.mouse(input.DispatchMouseEventTypeMousePressed, at(from), 1),
		w.mouse(input.DispatchMouseEventTypeMouseMoved, at(Point{(from.X + to.X) / 2, (from.Y + to.Y) / 2}), 1),
		w.mouse(input.DispatchMouseEventTypeMouseMoved, at(to), 1),
		w.mouse(input.DispatchMouseEventTypeMouseReleased, at(to), 1))
}

// DoubleClick clicks twice at a point of the element with that selector.
func (w *Window) DoubleClick(selector string, at Point) {
	w.t.Helper()
	place := w.box(selector)(at)
	w.Do(chromedp.MouseClickXY(place.X, place.Y, chromedp.ClickCount(1)),
		chromedp.MouseClickXY(place.X, place.Y, chromedp.ClickCount(2)))
}

// Hover moves the pointer to a point of the element with that selector.
func (w *Window) Hover(selector string, at Point) {
	w.t.Helper()
	w.Do(w.mouse(input.DispatchMouseEventTypeMouseMoved, w.box(selector)(at), 0))
}

// box scrolls an element into the middle of the viewport and returns where its points are.
func (w *Window) box(selector string) func(Point) Point {
	w.t.Helper()
	b := Ask[struct{ X, Y, Width, Height float64 }](w, fmt.Sprintf(`(() => {
		const node = document.querySelector(%q);
		node.scrollIntoView({block: "center", behavior: "instant"});
		const box = node.getBoundingClientRect();
		const place = {X: box.x, Y: box.y, Width: box.width, Height: box.height};
		return new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(place))));
	})()`, selector))
	return func(p Point) Point { return Point{b.X + p.X*b.Width, b.Y + p.Y*b.Height} }
}

func (w *Window) mouse(kind input.DispatchMouseEventType, at Point, buttons int64) chromedp.Action[chromedp.Void] {
	return chromedp.MouseEvent(kind, at.X, at.Y, func(p *input.DispatchMouseEventParams) {
		if buttons > 0 {
			p.Button, p.Buttons, p.ClickCount = input.MouseButtonLeft, buttons, 1
		}
	})
}
