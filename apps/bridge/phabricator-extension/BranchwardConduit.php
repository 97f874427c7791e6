<?php

/**
 * What the methods of this extension share. They do not inherit from one
 * another: files in "src/extensions/" are loaded in no particular order, so a
 * class may only extend what Phabricator itself brings.
 */
final class BranchwardConduit extends Phobject {

  /**
   * Version of the contract with the bridge. It grows when a method changes in
   * a way that an older bridge must not meet.
   */
  const VERSION = 1;

  /**
   * Seconds to wait for another call of this extension to finish.
   */
  const LOCK_WAIT = 10;

  const DEADLOCK_ATTEMPTS = 5;

  public static function getErrorTypes() {
    return array(
      'ERR-PERM' => pht('The token does not belong to an administrator.'),
      'ERR-BAD-VALUE' => pht('A parameter can not be used.'),
      'ERR-NOT-FOUND' => pht('There is no such object.'),
      'ERR-TAKEN' => pht('Another object has this name, address or key.'),
      'ERR-EMPTY-REPOSITORY' => pht(
        'No commit of the repository has been imported yet.'),
      'ERR-BUSY' => pht('Another call did not finish in time.'),
    );
  }

  public static function newError($code, $message) {
    return id(new ConduitException($code))->setErrorDescription($message);
  }

  /**
   * Conduit lets every user call every method.
   */
  public static function requireAdmin(ConduitAPIRequest $request) {
    $caller = $request->getUser();
    if (!$caller || !$caller->getIsAdmin()) {
      throw self::newError(
        'ERR-PERM',
        pht('Only an administrator may call this method.'));
    }
    return $caller;
  }

  /**
   * An actor of whom no MFA response is asked, which Conduit could not give.
   * Logs name the caller, see newEditor().
   */
  public static function newActor() {
    return id(clone PhabricatorUser::getOmnipotentUser())->setIsAdmin(1);
  }

  public static function newEditor(
    PhabricatorApplicationTransactionEditor $editor,
    ConduitAPIRequest $request) {

    return $editor
      ->setActor(self::newActor())
      ->setActingAsPHID($request->getUser()->getPHID())
      ->setContentSource($request->newContentSource())
      ->setContinueOnNoEffect(true)
      ->setContinueOnMissingFields(true);
  }

  /**
   * Runs a change alone, again when the database gave it up as the victim of a
   * deadlock. The change must look at what is there first: an attempt before
   * it may have done a part.
   */
  public static function applyChange($change) {
    $lock = PhabricatorGlobalLock::newLock('branchward');
    try {
      $lock->lock(self::LOCK_WAIT);
    } catch (PhutilLockException $ex) {
      throw self::newError(
        'ERR-BUSY',
        pht('Another call is under way. Nothing was changed.'));
    }

    try {
      $result = self::attemptChange($change);
    } catch (Exception $ex) {
      $lock->unlock();
      throw self::newErrorFor($ex);
    }

    $lock->unlock();
    return $result;
  }

  private static function attemptChange($change) {
    for ($attempt = 1; ; $attempt++) {
      try {
        return call_user_func($change);
      } catch (AphrontDeadlockQueryException $ex) {
        if ($attempt >= self::DEADLOCK_ATTEMPTS) {
          throw $ex;
        }
        usleep(20000 * $attempt);
      }
    }
  }

  private static function newErrorFor(Exception $ex) {
    if ($ex instanceof AphrontDuplicateKeyQueryException) {
      return self::newError('ERR-TAKEN', $ex->getMessage());
    }
    if ($ex instanceof PhabricatorApplicationTransactionValidationException) {
      return self::newError('ERR-BAD-VALUE', $ex->getMessage());
    }
    return $ex;
  }

  public static function loadUser($phid) {
    $user = id(new PhabricatorPeopleQuery())
      ->setViewer(PhabricatorUser::getOmnipotentUser())
      ->withPHIDs(array((string)$phid))
      ->executeOne();
    if (!$user) {
      throw self::newError('ERR-NOT-FOUND', pht('No user "%s".', $phid));
    }
    return $user;
  }

  /**
   * Users as the methods of this extension return them: with the primary
   * address, which "user.search" does not tell.
   */
  public static function newUserDictionaries(array $users) {
    if (!$users) {
      return array();
    }

    $phids = mpull($users, 'getPHID');
    $emails = id(new PhabricatorUserEmail())->loadAllWhere(
      'userPHID IN (%Ls) AND isPrimary = 1',
      $phids);
    $emails = mpull($emails, null, 'getUserPHID');
    $keys = id(new PhabricatorAuthSSHKey())->loadAllWhere(
      'objectPHID IN (%Ls) AND isActive = 1',
      $phids);
    $keys = mgroup($keys, 'getObjectPHID');

    $result = array();
    foreach ($users as $user) {
      $phid = $user->getPHID();
      $email = idx($emails, $phid);
      $result[] = array(
        'id' => (int)$user->getID(),
        'phid' => $phid,
        'userName' => $user->getUsername(),
        'realName' => $user->getRealName(),
        'email' => $email ? $email->getAddress() : null,
        'isEmailVerified' => (bool)$user->getIsEmailVerified(),
        'isDisabled' => (bool)$user->getIsDisabled(),
        'isApproved' => (bool)$user->getIsApproved(),
        'isAdmin' => (bool)$user->getIsAdmin(),
        'isBot' => (bool)$user->getIsSystemAgent(),
        'isMailingList' => (bool)$user->getIsMailingList(),
        'sshKeys' => array_values(
          mpull(idx($keys, $phid, array()), 'getEntireKey')),
        'dateCreated' => (int)$user->getDateCreated(),
        'dateModified' => (int)$user->getDateModified(),
      );
    }
    return $result;
  }

  public static function loadUserDictionary($phid) {
    return head(self::newUserDictionaries(array(self::loadUser($phid))));
  }

}
