// The first drawing of a comparison.

fillLatencyPicks();
bindZoom();
drawSummary();
redraw();
bindPaper();
bindWidth();
