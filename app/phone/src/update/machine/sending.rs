//! How an update brings the image to the lock over SMP, and what comes next by the lock's answers.

use super::super::news::{Ended, News};
use super::super::{Action, Buffer};
use super::{Doing, Step, Update};
use crate::moment::Moment;
use crate::smp::{self, Answer, Fault, Progress};

impl<B: AsRef<[u8]>> Update<B> {
    pub(super) fn speak<'a>(
        &mut self,
        request: &smp::Request<'_>,
        now_ms: u64,
        out: &'a mut Buffer,
    ) -> Action<'a> {
        let begun = self.smp.ask(request, now_ms);
        self.spoken(begun, out)
    }

    pub(super) fn spoken<'a>(&mut self, begun: Result<(), smp::Busy>, out: &'a mut Buffer) -> Action<'a> {
        match begun {
            Ok(()) => self.send(out),
            // One request at a time is all that is ever made here.
            Err(smp::Busy) => self.end(Ended::Smp(smp::Error::OtherAnswer)),
        }
    }

    /// Sends the next piece of a request, until it is out.
    pub(super) fn send<'a>(&mut self, out: &'a mut Buffer) -> Action<'a> {
        let Some(piece) = self.smp.next_piece() else {
            self.doing = Doing::Answering;
            return Action::Wait;
        };
        let bytes = out.piece.get_mut(..piece.len()).unwrap_or_default();
        bytes.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
        self.doing = Doing::Sending;
        Action::Send { bytes }
    }

    pub(super) fn on_smp<'a>(&mut self, bytes: &[u8], moment: Moment, out: &'a mut Buffer) -> Action<'a> {
        let (Doing::Sending | Doing::Answering) = self.doing else {
            return Action::Wait;
        };
        let now_ms = moment.now_ms;
        match self.smp.receive(bytes) {
            Ok(None) => Action::Wait,
            Ok(Some(answer)) => {
                let action = self.on_answer(answer, now_ms);
                // Nothing of this moment's randomness has been used.
                if action == Action::Again {
                    return self.go(moment, out);
                }
                action
            }
            Err(smp::Error::Refused(refused)) => self.on_refused(refused, now_ms),
            Err(smp::Error::Silence) => self.drop_link(&moment),
            // A lock takes the rest of a request that was held up for long as the beginning of another.
            Err(error) if error.may_be_the_connection() && self.patience.garbled() => self.drop_link(&moment),
            Err(error) => self.end(Ended::Smp(error)),
        }
    }

    fn on_answer(&mut self, answer: Answer, now_ms: u64) -> Action<'static> {
        match (self.step, answer) {
            // While somebody uploads, the window stays theirs until the lock has taken our first piece.
            (Step::AskParameters, Answer::Parameters(_)) if self.guest => self.then(Step::Upload),
            (Step::AskParameters, Answer::Parameters(_)) => self.then(Step::Open),
            (Step::AskImages, Answer::Images(images)) => self.on_images(&images, now_ms),
            (Step::Upload, Answer::Offset(offset)) => self.on_offset(offset),
            (Step::Test, Answer::Images(images)) if self.is_pending(&images) => {
                self.install_asked(now_ms);
                self.step = Step::Reset;
                self.tell(News::Requested)
            }
            (Step::Reset, Answer::Done) => {
                self.step = Step::Restart;
                self.tell(News::Restarting)
            }
            _ => self.end(Ended::Smp(smp::Error::OtherAnswer)),
        }
    }

    fn on_images(&mut self, images: &smp::Images, now_ms: u64) -> Action<'static> {
        let ours = Some(self.release.about().image);
        if self.is_pending(images) {
            self.install_asked(now_ms);
            return self.then(Step::Reset);
        }
        // Somebody has taken it out again.
        self.asked = false;
        let is_there = images.iter().any(|image| image.image == ours && !image.active);
        self.then(if is_there { Step::Test } else { Step::Upload })
    }

    fn is_pending(&self, images: &smp::Images) -> bool {
        let ours = Some(self.release.about().image);
        images.iter().any(|image| image.image == ours && image.pending)
    }

    fn install_asked(&mut self, now_ms: u64) {
        self.asked = true;
        self.patience.install_asked(now_ms);
    }

    fn on_offset(&mut self, offset: smp::Offset) -> Action<'static> {
        let progress = match self.upload.answered(offset) {
            Ok(progress) => progress,
            Err(error) => return self.end(Ended::Smp(error)),
        };
        let received = offset.offset;
        let size = self.release.about().size;
        self.patience.got_to(received);
        self.guest = false;
        self.step = match progress {
            _ if !self.opened => Step::Open,
            Progress::More { .. } => Step::Upload,
            Progress::Whole => Step::Test,
        };
        self.tell(News::Uploading { received, size })
    }

    fn on_refused(&mut self, refused: smp::Refused, now_ms: u64) -> Action<'static> {
        match refused.fault {
            Fault::BUSY => self.busy(Ended::Busy(Some(refused)), now_ms),
            // The window is closed. It restarts by itself for what it was asked to install.
            Fault::ACCESS_DENIED if self.asked => self.then(Step::Restart),
            Fault::ACCESS_DENIED if self.patience.open() => self.then(Step::Open),
            Fault::Management(_) | Fault::Group { .. } => self.end(Ended::Refused(refused)),
        }
    }
}
