// A click on the toolbar's button sharpens the page's video, another one leaves it as it was. Nothing of a page is
// looked at before the click, and of other sites' frames nothing at all: that is what `activeTab` allows.

const NOTHING = "No video plays on this page. One inside another site's frame is reached when that site is opened by itself.";

export async function click(tab) {
  const show = text => chrome.action.setBadgeText({ tabId: tab.id, text });
  try {
    const target = { tabId: tab.id, allFrames: true };
    const answers = await chrome.scripting.executeScript({ target, files: ["content.js"] });
    const states = answers.map(answer => answer.result);
    await show(states.includes("on") ? "on" : "");
    if (states.every(state => state === "nothing")) {
      await chrome.scripting.executeScript({ target: { tabId: tab.id }, func: tell, args: [NOTHING] });
    }
  } catch (error) { // the browser's own pages, and its store
    await show("!");
    await chrome.action.setTitle({ tabId: tab.id, title: `This page cannot be sharpened: ${error.message}` });
  }
}

/** Runs in the page, beside its scripts. */
async function tell(sentence) {
  const { say } = await import(chrome.runtime.getURL("videos.js"));
  say(sentence);
}

chrome.action.onClicked.addListener(click);
